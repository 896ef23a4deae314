# Every command of the project; each does the set-up it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo check test bench docs fix lock sbom clean

setup: $(STAMP)

$(STAMP): .ci/requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r .ci/requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(STAMP)

demo: setup  ## a burst on a real Redis, local processes from zero and back
	$(BIN)/scaler demo

check: setup  ## format, lint, types, import rules, unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n 2 -m "not services" tests

test: setup  ## everything, with real servers
	.ci/install-servers
	$(BIN)/pytest -q -n 4 --dist loadfile --no-loadscope-reorder tests

bench: setup  ## prints what was measured, the machine and the versions
	.ci/install-servers
	$(BIN)/python -m benchmarks

docs: setup  ## write anew what the code itself says: reference, scalers' pages, schema
	UPDATE_GOLDEN=1 $(BIN)/pytest -q tests/golden

fix: setup  ## format, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup  ## compile the pinned requirement files
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
	  --extra demo --extra ingress pyproject.toml --output-file deploy/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
	  --extra demo --extra ingress --group dev pyproject.toml --output-file .ci/requirements.txt
	echo hatchling | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
	  --constraints .ci/requirements.txt - --output-file deploy/build-requirements.txt

sbom: setup  ## dist/sbom.json: what an installation consists of, as CycloneDX
	$(BIN)/python .ci/sbom dist/sbom.json

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

"""The tree keeps its promises: names, sizes, and a page and a contract for every scaler."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scaler.engine import plugins

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for package in ("scaler", "scalers", "benchmarks") for path in (ROOT / package).rglob("*.py"))
VAGUE = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_in_its_first_line_what_it_is_for(path: Path) -> None:
    first = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
    assert len(first) > 10
    assert path.read_text().startswith('"""')


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in MODULES if VAGUE & {path.stem, *path.relative_to(ROOT).parts}] == []


def test_modules_stay_readable() -> None:
    assert [str(path.relative_to(ROOT)) for path in MODULES if len(path.read_text().splitlines()) > 300] == []


def test_every_scaler_has_a_page_and_a_contract() -> None:
    contracts = "\n".join(path.read_text() for path in (ROOT / "tests" / "contracts").glob("*.py"))
    for plugin in plugins.installed():
        assert not isinstance(plugin.found, plugins.PluginBroken), plugin
        assert (ROOT / "docs" / "scalers" / f"{plugin.type}.md").exists(), plugin.type
        assert plugin.found.__name__ in contracts, plugin.type


def test_nothing_names_an_address_of_a_registry_in_the_pins() -> None:
    for pins in (*(ROOT / "deploy").glob("*requirements.txt"), ROOT / ".ci" / "requirements.txt"):
        text = pins.read_text()
        assert "://" not in text
        assert "--hash=sha256:" in text

"""Every command of the documentation runs, in the order of its page, and prints what the page says.

Pages are run in a folder with the examples of the checkout, beside a real Redis where they use one. Local processes
stand in for containers of public images, free ports for the usual ones. A page may say "Save this as `NAME`:" before a
block, `# exit code N` after a command that fails, and `...` for output that differs.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from scaler.testing.documentation import pages
from scaler.testing.documentation.console import Console
from scaler.testing.documentation.pages import Command, SavedFile
from scaler.testing.servers.process import free_port
from scaler.testing.servers.redis import RedisServer

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[3]

# Commands that are not run here, by how they begin, and why: each is checked by something else, or cannot be.
NOT_RUN = {
    "make setup": "the environment of this very test is what it makes",
    "make demo": "tests/e2e/test_readme.py runs it",
    "make test": "this test is part of it",
    "make check": "CI runs it before make test",
    "make docs": "it writes into the checkout; tests/golden compares",
    "make bench": "takes half an hour; tests/e2e/test_benchmarks.py runs a short one",
    ".venv/bin/python -m benchmarks": "the same",
    "python -m benchmarks": "the same",
    ". .venv/bin/activate": "the console has the environment's commands already",
    "pip install": "tests/e2e/test_wheel.py installs the wheel into an empty environment",
    "pip download": "the tests of the image give it wheels like this",
    "python3 -m venv /opt": "changes the machine; tests/e2e/test_wheel.py does the same in a folder of its own",
    "/opt/scaler/": "the same",
    "useradd": "changes the machine",
    "install -": "changes the machine; the unit is verified by tests/e2e/deploy",
    "rm -r /etc": "changes the machine",
    "scaler --install-completion": "writes into the reader's shell; tests/e2e/deploy has a shell of its own",
    "prometheus": "goes on; tests/e2e/monitoring has one that reads these rules",
    "export DOCKER_GID": "for docker compose",
    "DOCKER_GID": "the same",
    "curl http://web.localhost": "asks what docker compose runs",
    "docker exec": "in a container of a public image",
    "docker run": "pulls a public image",
    "docker pull": "pulls a public image",
    "docker compose": "pulls public images; the tests under tests/e2e run compose with images made here",
    "docker build": "begins with a public image; the tests of the image build it from a local one",
    "sudo ": "changes the machine",
    "docker ps": "asks the engine of the machine, which may have none",
    "systemctl": "needs an init system; stop and start of a page's own `scaler run` are done to that",
    "journalctl": "needs an init system",
    "az ": "needs an Azure subscription",
    "kubectl": "needs a Kubernetes cluster",
}


WORKER = "image: example/worker"
UNIT = ("systemctl stop scaler", "systemctl start scaler")


def todo(page: Path) -> list[Command | SavedFile]:
    """Return what is done of a page: nothing, where it only saves files."""
    steps = list(pages.steps(page.read_text()))
    commands = [step.text for step in steps if isinstance(step, Command)]
    served = any(text.startswith("scaler run") for text in commands)
    run = {text for text in commands if not text.startswith(tuple(NOT_RUN)) or (served and text in UNIT)}
    return [step for step in steps if isinstance(step, SavedFile) or step.text in run] if run else []


# What they look at is there already when somebody reads them.
RUNBOOKS = [page for page in pages.documents(ROOT) if page.parent.name == "runbooks"]
DOCUMENTS = [page for page in pages.documents(ROOT) if todo(page) and page not in RUNBOOKS]


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_s_commands_do_what_it_says(page: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    examples = list((tmp_path / "deploy" / "examples").rglob("*.yaml"))
    steps = todo(page)
    commands = " ".join(step.text for step in steps if isinstance(step, Command))
    with ExitStack() as stack:
        port = free_port()
        if "redis-cli" in commands and "redis-server" not in commands:
            port = stack.enter_context(RedisServer.running()).port
        console = stack.enter_context(Console.opened(tmp_path, redis_port=port))
        for example in examples:
            # The worker is its reader's own: here it is a process that does nothing.
            text = example.read_text().replace(WORKER, f"command: [sleep, infinity]\n        {WORKER}")
            example.write_text(console.here(text))
        for step in steps:
            if isinstance(step, SavedFile):
                (tmp_path / step.name).write_text(console.here(step.text))
            else:
                console.run(step)


def test_runbooks_commands_run_beside_a_service(tmp_path: Path) -> None:
    manifest = tmp_path / "worker.yaml"
    shutil.copy(ROOT / "deploy" / "examples" / "redis-worker.yaml", manifest)
    with RedisServer.running() as redis, Console.opened(tmp_path, redis_port=redis.port) as console:
        manifest.write_text(console.here(manifest.read_text()).replace(WORKER, f"command: [sleep]\n        {WORKER}"))
        console.run(Command(0, f"scaler run {manifest}"))
        for page in RUNBOOKS:
            for step in todo(page):
                assert isinstance(step, Command), page
                text = step.text.replace("NAME", "worker").replace("PATH", str(manifest))
                console.run(replace(step, text=text))


def test_the_pages_that_show_commands_are_found() -> None:
    assert len([page for page in RUNBOOKS if todo(page)]) > 5
    assert {"README.md", "docs/quick-start.md"} <= {str(page.relative_to(ROOT)) for page in DOCUMENTS}

"""Every command of the README and the documentation is one that runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scaler.engine import state_dir
from scaler.observability.api_client import ApiClient
from scaler.ports.errors import ConfigError
from scaler.testing.polling import eventually
from scaler.testing.servers.redis import RedisServer

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]


def commands() -> list[str]:
    """Return the lines that begin with `$ ` in the README's console blocks, in order."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_the_readme_begins_with_the_two_commands_that_ci_runs() -> None:
    assert commands()[:2] == ["make demo", "make test"]
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_make_demo_prints_what_the_readme_says() -> None:
    # The very environment that runs this test serves the target.
    done = subprocess.run(["make", "demo"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("messages sent")]
    assert printed[0] in done.stdout


def test_the_example_runs_as_the_readme_tells(tmp_path: Path) -> None:
    """In a copy of the checkout's examples whose worker is a local process, on a Redis of the test."""
    told = [command for command in commands() if command.startswith("scaler ")]
    assert [shlex.split(command)[1] for command in told] == [
        *("validate", "simulate", "run", "status", "explain", "down"),
    ]
    shutil.copytree(ROOT / "deploy" / "examples", tmp_path / "deploy" / "examples")
    manifest = tmp_path / "deploy" / "examples" / "redis-worker.yaml"
    environment = {
        **os.environ,
        "SCALER_STATE_DIR": str(tmp_path / "state"),
        "COLUMNS": "200",
    }

    def scaler(command: str) -> str:
        arguments = shlex.split(command)[1:]
        done = subprocess.run(
            [sys.executable, "-m", "scaler", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with RedisServer.running() as server:
        text = manifest.read_text().replace("localhost:6379", server.address)
        manifest.write_text(
            text.replace("name: worker\n        ", "name: worker\n        command: [sleep, '1000']\n        ", 1)
        )
        validate, simulate, run, status, explain, down = told
        assert scaler(validate) == "worker: 0 to 10 replicas, triggers: jobs (redis)\n"
        assert "replica-seconds" in scaler(simulate)
        with server.client() as queue:
            queue.rpush("jobs", *range(50))
        with (tmp_path / "log").open("wb") as log:
            service = subprocess.Popen(
                [sys.executable, "-m", *shlex.split(run), "--actuator", "process"],
                cwd=tmp_path,
                env=environment,
                stderr=log,
            )
        try:
            eventually(lambda: ready_replicas(tmp_path / "state") == 10, what="10 replicas")
            assert "worker" in scaler(status)
            explanation = scaler(explain)
            assert "trigger jobs (redis): value 50, target 5 (AverageValue), active, wants 10" in explanation
            readme = (ROOT / "README.md").read_text()
            assert explanation.strip() in readme
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(30)
        assert scaler(down) == "10 replicas stopped\n"


def ready_replicas(path: Path) -> int:
    try:
        note = state_dir.open_unlocked(path).read_note("service")
        return ApiClient(note["address"]).workload("worker").ready_replicas if note else 0
    except (ConfigError, OSError):
        return 0


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"

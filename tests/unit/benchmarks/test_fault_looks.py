"""What the run of faults looks at: outputs, resources and processes; each look sees what it is there to see."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.faults.outputs import Outputs
from benchmarks.faults.replicas import Found, Processes
from benchmarks.faults.resources import Resources
from benchmarks.faults.secrets import SECRETS


@dataclass
class Api:
    """Where the service's API is."""

    address: str = ""


@dataclass
class Service:
    """As much of one as is looked at."""

    api: Api = field(default_factory=Api)
    log: str = ""
    pid: int = field(default_factory=os.getpid)
    printed: str = ""
    manifest: Path = Path("manifest.yaml")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, 0, self.printed, "")


@pytest.fixture
def service() -> Service:
    return Service()


class TestOutputs:
    @pytest.mark.parametrize("name", sorted(SECRETS))
    def test_a_secret(self, service: Service, answered: dict[str, str], name: str) -> None:
        outputs = Outputs(cast("Any", service))
        assert outputs.problems() == []
        text = f"password={SECRETS[name]}"
        service.log, service.printed = text, text
        answered.update(dict.fromkeys(answered, text))
        said = [problem for _ in range(3) for problem in outputs.problems()]
        assert f"the log tells the secret of {name}" in said
        assert f"/v1/workloads tells the secret of {name}" in said
        assert f"/metrics tells the secret of {name}" in said
        assert f"explain tells the secret of {name}" in said

    def test_a_bug(self, service: Service, answered: dict[str, str]) -> None:
        service.log = "Traceback (most recent call last):\n"
        answered["/metrics"] = 'scaler_plugin_bugs_total{type="redis"} 1.0\n'
        said = "\n".join(Outputs(cast("Any", service)).problems())
        assert "a bug in the log: Traceback" in said
        assert "a bug is counted" in said

    def test_that_nobody_answers(self, service: Service) -> None:
        service.api.address = "127.0.0.1:1"
        assert "/metrics is not answered" in "\n".join(Outputs(cast("Any", service)).problems())


class TestResources:
    @pytest.fixture
    def resources(self, service: Service) -> Resources:
        seen = Resources(cast("Any", service), patience_s=0.1)
        assert seen.problems() == []
        return seen

    def test_descriptors(self, resources: Resources) -> None:
        with ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(Path(os.devnull).open())
            assert "descriptors grew" in "\n".join(resources.problems())
        assert resources.problems() == []

    def test_threads(self, resources: Resources) -> None:
        over = threading.Event()
        threads = [threading.Thread(target=over.wait) for _ in range(40)]
        for each in threads:
            each.start()
        said = resources.problems()
        over.set()
        for each in threads:
            each.join()
        assert "threads grew" in "\n".join(said)

    def test_memory(self, service: Service, resources: Resources) -> None:
        """That of a process of its own: what is given back may stay with this one."""
        del resources
        code = "import sys; input(); held = b'x' * 150_000_000; print(len(held), flush=True); input()"
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert child.stdin is not None
        assert child.stdout is not None
        service.pid = child.pid
        grown = Resources(cast("Any", service), patience_s=0.1)
        grown.problems()
        child.stdin.write("\n")
        child.stdout.readline()
        said = grown.problems()
        child.communicate("\n")
        assert "memory grew" in "\n".join(said)


@contextmanager
def sleeping(folder: Path, replica: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run what looks like a replica."""
    folder.mkdir(parents=True)
    names = {"CONTAINER_APP_REPLICA_NAME": replica, "CONTAINER_APP_NAME": "list"}
    code = "print(flush=True); import time; time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env={**os.environ, **names}, start_new_session=True,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_processes_are_found_where_they_work_and_others_seen_to_be_gone(tmp_path: Path) -> None:
    yard = Processes(tmp_path)
    try:
        with sleeping(tmp_path / "replicas" / "a", "list-a") as one, sleeping(tmp_path / "elsewhere", "list-b"):
            assert yard.found() == [Found(str(one.pid), "list-a", "list")]
            with sleeping(tmp_path / "replicas" / "b", "list-a"):
                assert [it.name for it in yard.found()] == ["list-a"] * 2
        before = yard.strangers()
        assert len(before) == 2
    finally:
        yard.close()
    assert yard.strangers() == []

"""The process actuator keeps the actuators' promises with real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scaler.actuators.process.actuator import ProcessActuator
from scaler.model import App, Container, Ingress, Replica
from scaler.ports.actuator import Actuator
from scaler.testing.actuator_contract import ActuatorContract
from scaler.testing.observing import sigterm_ignored

SCRIPTS = {
    "serve": "exec sleep 600",
    "stubborn": "trap '' TERM; while :; do sleep 0.1; done",
    "crash": "exit 3",
    # The use of what it starts is its own.
    "busy": "sh -c 'while :; do :; done'; exit 1",
}


class TestProcessActuator(ActuatorContract):
    @pytest.fixture(autouse=True)
    def _engine(self, tmp_path: Path) -> Iterator[None]:
        self.state_dir = tmp_path
        self.foreign: list[subprocess.Popen[bytes]] = []
        yield
        for process in self.foreign:
            process.kill()
            process.wait()
        for record in self._records():
            if record["pid"] and Path(f"/proc/{record['pid']}").exists():
                os.killpg(record["pid"], signal.SIGKILL)

    def make(self, owner: str, **settings: Any) -> Actuator:
        return ProcessActuator(owner, self.state_dir, **settings)

    def app(self, behaviour: str = "serve") -> App:
        return App(
            (Container("worker", image="", command=("sh", "-c"), args=(SCRIPTS[behaviour],)),),
            termination_grace_period_s=2.0,
        )

    def listener(self) -> App:
        script = f"exec {sys.executable} -m http.server --bind 127.0.0.1 $PORT"
        return App((Container("web", image="", command=("sh", "-c"), args=(script,)),), ingress=Ingress(8080))

    def unstartable(self) -> App:
        return App((Container("worker", image="", command=("no-such-command",)),))

    async def running(self, owner: str) -> list[str]:
        return [each["name"] for each in self._records() if each["owner"] == owner and _runs(each["pid"])]

    async def existing(self, owner: str) -> list[str]:
        return [each["name"] for each in self._records() if each["owner"] == owner]

    def _records(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in self.state_dir.glob("replicas/*/record.json")]

    async def kill(self, replica: Replica) -> None:
        os.killpg(self._pid(replica), signal.SIGKILL)

    async def ignores_sigterm(self, replica: Replica) -> bool:
        return sigterm_ignored(self._pid(replica))

    async def remove_by_hand(self, replica: Replica) -> None:
        pid = self._pid(replica)
        shutil.rmtree(self.state_dir / "replicas" / replica.id)
        os.killpg(pid, signal.SIGKILL)

    def _pid(self, replica: Replica) -> int:
        return next(int(each["pid"]) for each in self._records() if each["id"] == replica.id)

    async def start_foreign(self) -> Callable[[], bool]:
        process = subprocess.Popen(["sleep", "600"], start_new_session=True)
        self.foreign.append(process)
        return lambda: process.poll() is None


def _runs(pid: int | None) -> bool:
    try:
        return pid is not None and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False

"""The compose actuator keeps the promises of actuators that scale what runs already, on real compose projects."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scaler.actuators.compose.actuator import ComposeActuator
from scaler.model import COMPOSE_SERVICE, ForeignTarget, Replica, Workload
from scaler.ports.actuator import Actuator
from scaler.testing.observing import sigterm_ignored, workload
from scaler.testing.scaling_contract import BreakableScalingContract
from scaler.testing.servers.compose import ComposeProject
from scaler.testing.servers.docker import DockerServer

pytestmark = pytest.mark.services

SCRIPTS = {
    "serve": "trap 'exit 0' TERM; while :; do sleep 0.05; done",
    "stubborn": "trap '' TERM; while :; do sleep 0.05; done",
}


@pytest.fixture(scope="module")
def docker_server() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        for behaviour, script in SCRIPTS.items():
            server.busybox_image(f"scaler-test-{behaviour}", script)
        yield server


class TestComposeActuator(BreakableScalingContract):
    @pytest.fixture(autouse=True)
    def _project(self, docker_server: DockerServer, tmp_path: Path) -> Iterator[None]:
        self.server = docker_server
        self.project = ComposeProject(docker_server, tmp_path, f"contract{uuid.uuid4().hex[:8]}")
        self.services: dict[str, str] = {}
        with docker_server.client() as self.api:
            yield
        if self.services:
            self.project.run("down", "--volumes", "--timeout", "1")

    def make(self, owner: str, **settings: Any) -> Actuator:
        del owner  # compose's labels say whose a container is
        return ComposeActuator(base_url=self.server.base_url, settle_s=0.0, quiet_s=0.0, **settings)

    def workload(self, behaviour: str = "serve", name: str = "worker", *, grace_s: float = 2.0) -> Workload:
        if name not in self.services:
            self.services[name] = (
                f"  {name}: {{image: scaler-test-{behaviour}, stop_grace_period: {grace_s:g}s, restart: always}}\n"
            )
            self.project.write('version: "2.4"\nservices:\n' + "".join(self.services.values()))
            self.project.run("up", "--no-start")
        return workload(ForeignTarget(COMPOSE_SERVICE, f"{self.project.name}/{name}"), name)

    async def running(self, owner: str) -> list[str]:
        del owner
        return [row["Names"][0].removeprefix("/") for row in self.project.rows() if row["State"] == "running"]

    async def left(self) -> list[str]:
        rows = self.project.rows()
        return [row["Names"][0] for row in rows if row["State"] == "running" or len(rows) > len(self.services)]

    async def ignores_sigterm(self, replica: Replica) -> bool:
        return sigterm_ignored(int(self.api.inspect_container(replica.id)["State"]["Pid"]))

    async def remove_by_hand(self, replica: Replica) -> None:
        self.api.remove_container(replica.id, force=True)

    async def break_engine(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def restore_engine(self) -> None:
        await asyncio.to_thread(self.server.start)

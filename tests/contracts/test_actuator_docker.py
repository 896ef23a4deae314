"""The Docker actuator keeps the actuators' promises on a real engine."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scaler.actuators.docker.actuator import DockerActuator
from scaler.model import App, Container, Ingress, Replica
from scaler.ports.actuator import Actuator
from scaler.testing.actuator_contract import BreakableActuatorContract
from scaler.testing.observing import sigterm_ignored
from scaler.testing.servers.docker import DockerServer

pytestmark = pytest.mark.services

SCRIPTS = {
    "serve": "trap 'exit 0' TERM; while :; do sleep 0.05; done",
    "stubborn": "trap '' TERM; while :; do sleep 0.05; done",
    "crash": "exit 3",
    "busy": "trap 'exit 0' TERM; while :; do :; done",
    "listen": "trap 'exit 0' TERM; httpd -f -p $PORT -h /www & wait $!",
}


@pytest.fixture(scope="module")
def docker_server() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        for behaviour, script in SCRIPTS.items():
            server.busybox_image(f"scaler-test-{behaviour}", script)
        yield server


class TestDockerActuator(BreakableActuatorContract):
    @pytest.fixture(autouse=True)
    def _engine(self, docker_server: DockerServer) -> Iterator[None]:
        self.server = docker_server
        # Owners are told apart by test, so that one test's failure is not the next one's too.
        self.test = uuid.uuid4().hex[:8]
        with docker_server.client() as self.api:
            yield

    def make(self, owner: str, **settings: Any) -> Actuator:
        return DockerActuator(f"{owner}-{self.test}", base_url=self.server.base_url, **settings)

    def app(self, behaviour: str = "serve") -> App:
        return App((Container("worker", image=f"scaler-test-{behaviour}"),), termination_grace_period_s=2.0)

    def listener(self) -> App:
        return App((Container("web", image="scaler-test-listen"),), ingress=Ingress(8080))

    def unstartable(self) -> App:
        return App((Container("worker", image="scaler-test-serve", command=("no-such-command",)),))

    async def running(self, owner: str) -> list[str]:
        return [row["Labels"]["io.scaler.replica"] for row in self._rows(owner) if row["State"] == "running"]

    async def existing(self, owner: str) -> list[str]:
        volumes = self.api.volumes()["Volumes"] if owner == "contract" else []
        return [row["Names"][0] for row in self._rows(owner)] + [volume["Name"] for volume in volumes]

    def _rows(self, owner: str) -> list[dict[str, Any]]:
        return self.api.containers(all=True, filters={"label": f"io.scaler.owner={owner}-{self.test}"})

    async def kill(self, replica: Replica) -> None:
        self.api.kill(replica.id)

    async def ignores_sigterm(self, replica: Replica) -> bool:
        return sigterm_ignored(int(self.api.inspect_container(replica.id)["State"]["Pid"]))

    async def remove_by_hand(self, replica: Replica) -> None:
        self.api.remove_container(replica.id, force=True)

    async def start_foreign(self) -> Callable[[], bool]:
        labels = {"io.scaler.workload": "worker", "io.scaler.revision": "1", "io.scaler.replica": "foreign"}
        container = self.api.create_container("scaler-test-serve", labels=labels)["Id"]
        self.api.start(container)
        return lambda: bool(self.api.inspect_container(container)["State"]["Running"])

    async def break_engine(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def restore_engine(self) -> None:
        await asyncio.to_thread(self.server.start)

"""The cpu and memory scalers keep the promises of scalers on replicas, with real processes and containers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scaler.actuators.docker.actuator import DockerActuator
from scaler.actuators.process.actuator import ProcessActuator
from scaler.model import App, Container, Resources
from scaler.ports.actuator import Actuator
from scaler.testing.actuators import FakeActuator, FakeEngine
from scaler.testing.replica_scaler_contract import ReplicaScalerContract
from scaler.testing.servers.docker import DockerServer
from scalers.resources.cpu import CpuScaler
from scalers.resources.memory import MemoryScaler

pytestmark = pytest.mark.services

IMAGE = "scaler-test-measured"
SCHEMA = Path(__file__).with_name("schemas") / "cpu.json"
IDLE = "trap 'exit 0' TERM; while :; do sleep 0.2; done"
# Holds some megabytes and never rests.
LOADED = "trap 'exit 0' TERM; x=$(head -c 16000000 /dev/zero | tr '\\0' a); while :; do :; done"
LIMITS = Resources(cpu_cores=0.5, memory_bytes=128 * 1024 * 1024)


class Cpu(ReplicaScalerContract):
    scaler = CpuScaler
    schema = SCHEMA
    limit = 0.5

    def parameters(self) -> dict[str, Any]:
        return {"value": "50"}


class Memory(ReplicaScalerContract):
    scaler = MemoryScaler
    schema = SCHEMA.with_name("memory.json")
    limit = 128 * 1024 * 1024

    def parameters(self) -> dict[str, Any]:
        return {"value": "256Mi"}


class OnFakes(ReplicaScalerContract):
    @pytest.fixture(autouse=True)
    def _engine(self) -> None:
        self.engine = FakeEngine()

    def actuator(self) -> Actuator:
        return FakeActuator(engine=self.engine)

    def app(self, *, loaded: bool) -> App:
        return App((Container("main", image="fake", command=("busy",) if loaded else (), resources=LIMITS),))

    async def break_engine(self) -> None:
        self.engine.down = True

    async def restore_engine(self) -> None:
        self.engine.down = False


class OnProcesses(ReplicaScalerContract):
    @pytest.fixture(autouse=True)
    def _state_dir(self, tmp_path: Path) -> None:
        self.state_dir = tmp_path

    def actuator(self) -> Actuator:
        return ProcessActuator("contract", self.state_dir)

    def app(self, *, loaded: bool) -> App:
        script = LOADED if loaded else IDLE
        container = Container("main", image="", command=("sh", "-c"), args=(script,), resources=LIMITS)
        return App((container,), termination_grace_period_s=1.0)


@pytest.fixture(scope="module")
def docker_server() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        server.busybox_image(f"{IMAGE}:idle", IDLE)
        server.busybox_image(f"{IMAGE}:loaded", LOADED)
        yield server


class OnDocker(ReplicaScalerContract):
    @pytest.fixture(autouse=True)
    def _engine(self, docker_server: DockerServer) -> None:
        self.server = docker_server
        self.owner = uuid.uuid4().hex[:8]

    def actuator(self) -> Actuator:
        return DockerActuator(self.owner, base_url=self.server.base_url)

    def app(self, *, loaded: bool) -> App:
        container = Container("main", image=f"{IMAGE}:{'loaded' if loaded else 'idle'}", resources=LIMITS)
        return App((container,), termination_grace_period_s=1.0)

    async def break_engine(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def restore_engine(self) -> None:
        await asyncio.to_thread(self.server.start)


class TestCpuOfProcesses(Cpu, OnProcesses):
    pass


class TestMemoryOfProcesses(Memory, OnProcesses):
    pass


class TestCpuOfContainers(Cpu, OnDocker):
    pass


class TestMemoryOfContainers(Memory, OnDocker):
    pass


class TestCpuOfFakes(Cpu, OnFakes):
    pass

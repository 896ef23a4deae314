"""The in-memory actuator keeps the actuators' promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from scaler.actuators.routing import RoutingActuator
from scaler.model import App, Container, Endpoint, Ingress, Replica
from scaler.ports.actuator import Actuator
from scaler.testing.actuator_contract import BreakableActuatorContract
from scaler.testing.actuators import FakeActuator, FakeEngine
from scaler.testing.observing import workload


class TestFakeActuator(BreakableActuatorContract):
    @pytest.fixture(autouse=True)
    def _engine(self) -> None:
        self.engine = FakeEngine()

    def make(self, owner: str, **settings: Any) -> Actuator:
        return FakeActuator(owner, self.engine, **settings)

    def app(self, behaviour: str = "serve") -> App:
        return App((Container("worker", image="fake", command=(behaviour,)),))

    def listener(self) -> App:
        return replace(self.app(), ingress=Ingress(8080))

    async def accepts(self, endpoint: Endpoint) -> bool:
        return not await self.engine.connect(endpoint, 1.0)

    def unstartable(self) -> App:
        self.engine.failing_starts = 2
        return self.app()

    async def running(self, owner: str) -> list[str]:
        return self.engine.running(owner)

    async def existing(self, owner: str) -> list[str]:
        return self.engine.existing(owner)

    async def kill(self, replica: Replica) -> None:
        self.engine.crash(replica.name)

    async def ignores_sigterm(self, replica: Replica) -> bool:
        return self.engine.by_name(replica.name).stubborn

    async def remove_by_hand(self, replica: Replica) -> None:
        self.engine.remove_by_hand(replica.name)

    async def start_foreign(self) -> Callable[[], bool]:
        async with FakeActuator("somebody", self.engine) as somebody:
            applied = await somebody.apply(workload(self.app(), "foreign"), 1)
        return lambda: applied.started[0] in self.engine.running()

    async def break_engine(self) -> None:
        self.engine.down = True

    async def restore_engine(self) -> None:
        self.engine.down = False


class TestFakeActuatorBehindARouter(TestFakeActuator):
    """The router takes nothing from the promises of the actuators behind it."""

    def make(self, owner: str, **settings: Any) -> Actuator:
        return RoutingActuator(super().make(owner, **settings), {})

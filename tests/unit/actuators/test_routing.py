"""Behind the router each target reaches the actuator of its kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar, Self

import pytest

from scaler.actuators.routing import RoutingActuator
from scaler.model import App, Container, ForeignTarget, Replica, Workload
from scaler.ports.actuator import Actuator, Applied, Usage
from scaler.testing.actuators import FakeActuator, FakeEngine
from scaler.testing.observing import PATIENCE_S, changes_of, workload

APP = App((Container("worker", image="fake"),))


class ForeignActuator(Actuator):
    """Counts of things that run already."""

    kind: ClassVar[str] = "foreign"

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.open = False
        self.changed: asyncio.Queue[str] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self.open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.open = False

    async def observe(self, workload: Workload) -> tuple[Replica, ...]:
        raise ZeroDivisionError(workload.name)

    async def apply(self, workload: Workload, count: int) -> Applied:
        self.counts[workload.name] = count
        return Applied()

    async def usage(self, workload: Workload) -> tuple[Usage, ...]:
        return (Usage(workload.name, 0.0, 0.0, self.counts[workload.name]),)

    async def changes(self) -> AsyncIterator[str]:
        while True:
            name = await self.changed.get()
            if name == "broken":
                raise ZeroDivisionError
            yield name

    async def owned(self) -> Mapping[str, tuple[Replica, ...]]:
        return {}

    async def remove(self, workload_name: str) -> None:
        self.counts.pop(workload_name, None)


async def test_each_target_reaches_the_actuator_of_its_kind() -> None:
    foreign, engine = ForeignActuator(), FakeEngine()
    elsewhere = workload(ForeignTarget("Foreign", "there"), "elsewhere")
    async with RoutingActuator(FakeActuator(engine=engine), {"Foreign": foreign}) as actuator:
        assert foreign.open
        await actuator.apply(elsewhere, 3)
        await actuator.apply(workload(APP, "here"), 1)
        assert foreign.counts == {"elsewhere": 3}
        assert len(engine.running()) == 1
        assert await actuator.usage(elsewhere) == (Usage("elsewhere", 0.0, 0.0, 3),)
        with pytest.raises(ZeroDivisionError):
            await actuator.observe(elsewhere)
        assert set(await actuator.owned()) == {"here"}
        async with changes_of(actuator) as changes:
            foreign.changed.put_nowait("elsewhere")
            seen = {await asyncio.wait_for(anext(changes), PATIENCE_S) for _ in range(2)}
            assert seen == {"elsewhere", "here"}
        for name in ("elsewhere", "here"):
            await actuator.remove(name)
        assert foreign.counts == {}
        assert engine.existing() == []
    assert not foreign.open


async def test_what_goes_wrong_in_one_is_not_lost() -> None:
    foreign = ForeignActuator()
    foreign.changed.put_nowait("broken")
    async with RoutingActuator(FakeActuator(), {"Foreign": foreign}) as actuator, changes_of(actuator) as changes:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(anext(changes), PATIENCE_S)

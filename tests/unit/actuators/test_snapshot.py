"""One listing for all, and units that are known before any listing shows them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from scaler.actuators.runtime import Unit, UnitState
from scaler.actuators.snapshot import Snapshot
from scaler.ports.errors import EngineUnavailable
from scaler.testing import virtual_time

UNIT = Unit("1", "web-1", "web", "v1", UnitState.CREATED, created_at=1.0, grace_s=1.0)
RUNNING = replace(UNIT, state=UnitState.RUNNING)


class Listing:
    """An engine that lists `units` as they are when asked, and answers a second later."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.asked = 0
        self.down = False
        self.snapshot = Snapshot(self.read, lambda _: None, max_age_s=1.0)

    async def read(self) -> list[Unit]:
        self.asked += 1
        units = list(self.units)
        await asyncio.sleep(1)
        if self.down:
            raise EngineUnavailable
        return units


def test_a_listing_that_began_before_does_not_undo_what_is_known() -> None:
    async def main() -> None:
        engine = Listing()
        engine.units = [UNIT]
        listing = asyncio.create_task(engine.snapshot.get())
        await asyncio.sleep(0.5)
        engine.snapshot.put(RUNNING)
        assert engine.snapshot.seen == {"web": (RUNNING,)}
        assert await listing == {"web": (RUNNING,)}
        engine.snapshot.invalidate()
        assert await engine.snapshot.get() == {"web": (UNIT,)}, "the next one knows better"

    virtual_time.run(main())


def test_age_alone_makes_nobody_wait() -> None:
    async def main() -> None:
        engine = Listing()
        assert await engine.snapshot.current() == {}
        engine.units = [RUNNING]
        await asyncio.sleep(10)
        began = asyncio.get_running_loop().time()
        assert await engine.snapshot.current() == {}
        assert asyncio.get_running_loop().time() == began
        await engine.snapshot.settle()
        assert await engine.snapshot.current() == {"web": (RUNNING,)}
        assert engine.asked == 2
        engine.snapshot.invalidate()
        await engine.snapshot.current()
        assert engine.asked == 3, "what changed is waited for"

    virtual_time.run(main())


def test_an_outage_that_nobody_waited_for_is_told_to_the_next() -> None:
    async def main() -> None:
        engine = Listing()
        await engine.snapshot.current()
        engine.down = True
        await asyncio.sleep(10)
        await engine.snapshot.current()
        await engine.snapshot.settle()
        with pytest.raises(EngineUnavailable):
            await engine.snapshot.current()

    virtual_time.run(main())

"""The machine: its clock is set and changed over, files cannot be opened."""

from __future__ import annotations

import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import psutil

from benchmarks.faults import estate
from benchmarks.faults.fault import Fault
from benchmarks.faults.world import World
from scaler.testing.polling import eventually

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
_JUMP_S = 0.3
# Moments in Berlin's nights of 2027 in which clocks are changed: before, between and after, by UTC.
_SPRING = ("2027-03-28 00:20", "2027-03-28 00:50", "2027-03-28 01:10", "2027-03-28 01:50")
_AUTUMN = ("2027-10-30 23:20", "2027-10-31 00:20", "2027-10-31 01:20", "2027-10-31 02:20", "2027-10-31 02:50")


def _jumps(world: World) -> str:
    """The wall clock jumps by 300 ms, both ways, while counts change."""
    with _Clock(world) as clock:
        for _ in range(world.chance.randint(3, 8)):
            clock.set(world.chance.choice([-_JUMP_S, _JUMP_S, 0.0]))
            if world.chance.random() < 0.4:
                world.change_levels(most=1)
            time.sleep(world.chance.uniform(0.2, 1.5))
    return ""


def _changed_over(world: World) -> str:
    """Through a night in which the clocks are changed; the schedule's count follows at each moment."""
    moments = world.chance.choice([_SPRING, _AUTUMN])
    with _Clock(world) as clock:
        for moment in moments:
            clock.set(datetime.fromisoformat(f"{moment}+00:00").astimezone(UTC).timestamp() - time.time())
            eventually(lambda: _schedule_kept(world), what=f"the schedule's count at {moment}", within_s=60)
    return f"{moments[0][:10]}"


def _schedule_kept(world: World) -> bool:
    real = sum(it.workload == estate.CRON for it in world.yard.found())
    least, most = estate.scheduled(world.wall_s())
    return least <= real <= most


class _Clock:
    """The service runs again with a wall clock that can be set, and at last without."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._file = world.folder / "clock"

    def __enter__(self) -> Self:
        self.set(0.0)
        self._world.kill_service()
        self._world.service.variables = {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        self._world.start_service()
        return self

    def __exit__(self, *_: object) -> None:
        self.set(0.0)
        self._world.kill_service()
        self._world.service.variables = {}
        self._world.start_service()

    def set(self, offset_s: float) -> None:
        """Set it to that many seconds ahead of the machine's."""
        fresh = self._file.with_name("clock.new")
        fresh.write_text(f"{offset_s:+.3f}\n")
        fresh.replace(self._file)
        self._world.clock_offset_s = offset_s


def _no_descriptors(world: World) -> str:
    """None can be opened for some seconds."""
    process = psutil.Process(world.service.pid)
    before: tuple[int, int] = process.rlimit(resource.RLIMIT_NOFILE)
    world.watch.pause()
    process.rlimit(resource.RLIMIT_NOFILE, (max(4, process.num_fds() - world.chance.randint(0, 4)), before[1]))
    try:
        if world.chance.random() < 0.5:
            world.watch.close()
            for name in world.levels:
                world.put_level(name, world.chance.randint(0, 4))
        without_s = world.chance.uniform(1, 8)
        time.sleep(without_s)
    finally:
        process.rlimit(resource.RLIMIT_NOFILE, before)
        world.watch.go_on()
    return f"for {without_s:.1f} s"


def _clock(_: World) -> bool:
    return bool(_LIBRARIES)


FAULTS = (
    Fault("clock jumps", _jumps, works=_clock, weight=2),
    Fault("clocks changed over", _changed_over, works=_clock),
    Fault("no descriptors left", _no_descriptors, weight=2, quick=True, requests_lost=True),
)

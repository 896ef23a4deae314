"""The service is killed: at any moment, and in the middle of what it does."""

from __future__ import annotations

import time
from contextlib import suppress

from benchmarks.faults import estate
from benchmarks.faults.fault import Fault
from benchmarks.faults.replicas import NotSeen
from benchmarks.faults.world import World
from scaler.model import ReplicaState
from scaler.testing.polling import eventually

_PATIENCE_S = 10.0
_DRAIN_S = 20.0
_LEAVING = {ReplicaState.DRAINING, ReplicaState.STOPPING}


def _kill(world: World) -> str:
    """At any moment; queues change before or while it is away."""
    if world.chance.random() < 0.5:
        world.change_levels()
    time.sleep(world.chance.uniform(0, 2))
    world.kill_service()
    if world.chance.random() < 0.5:
        world.change_levels()
    away_s = world.chance.choice([0.0, 0.5, 2.0, 4.0])
    time.sleep(away_s)
    world.start_service()
    return f"away {away_s:g} s"


def _in_scale_up(world: World) -> str:
    """As soon as the first replica of many is there."""
    before = {it.id for it in world.yard.found()}
    for name in world.sources:
        world.put_level(name, estate.MOST)
    deadline = time.monotonic() + _PATIENCE_S
    fresh = 0
    while not fresh and time.monotonic() < deadline:
        with suppress(NotSeen):
            fresh = len({it.id for it in world.yard.found()} - before)
    world.kill_service()
    time.sleep(world.chance.uniform(0, 1))
    world.start_service()
    return f"with {fresh} new ones"


def _in_scale_down(world: World) -> str:
    """As soon as the first replica of many is gone, or marked to go."""
    for name in world.sources:
        world.put_level(name, 0)
    before = len(world.yard.found())
    deadline = time.monotonic() + estate.WINDOW_S + _PATIENCE_S
    gone = 0
    while gone <= 0 and time.monotonic() < deadline:
        with suppress(NotSeen):
            gone = before - len(world.yard.found())
    time.sleep(world.chance.uniform(0, 0.2))
    world.kill_service()
    time.sleep(world.chance.uniform(0, 1))
    world.start_service()
    return f"with {gone} gone"


def _in_drain(world: World) -> str:
    """While a replica that answers requests is taken out, with requests under way."""
    with world.client.steadily(2 * estate.MOST):
        eventually(lambda: world.service.ready(estate.WEB) >= 3, what="several that answer", within_s=60)
    seen = False
    deadline = time.monotonic() + _DRAIN_S
    with world.client.steadily(1):
        while not seen and time.monotonic() < deadline:
            seen = any(it.state in _LEAVING for it in world.service.api.workload(estate.WEB).replicas)
        world.kill_service()
        time.sleep(world.chance.uniform(0, 1))
        world.start_service()
    return "with one on its way" if seen else "but none was seen"


def _in_state_write(world: World) -> str:
    """Right when the database is written."""
    files = [world.service.state_dir / name for name in ("state.db", "state.db-wal")]

    def written() -> list[int]:
        return [file.stat().st_mtime_ns for file in files if file.exists()]

    before = written()
    world.change_levels(most=3)
    deadline = time.monotonic() + _PATIENCE_S
    while written() == before and time.monotonic() < deadline:
        pass
    time.sleep(world.chance.choice([0.0, 0.0005, 0.002]))
    world.kill_service()
    world.start_service()
    return ""


def _twice(world: World) -> str:
    """Killed again as soon as it is up."""
    world.change_levels()
    for _ in range(3):
        world.kill_service()
        world.start_service()
    return ""


def _stopped(world: World) -> str:
    """Asked to end, as by an upgrade, while counts change."""
    world.change_levels()
    world.watch.close()
    world.watch.pause()
    status = world.service.stop()
    world.start_service()
    assert status in {0, -15}, f"it ended with {status}"  # noqa: S101 - caught and reported as broken
    return ""


FAULTS = (
    Fault("service killed", _kill, weight=3, quick=True),
    Fault("service killed in a scale-up", _in_scale_up, weight=2, quick=True),
    Fault("service killed in a scale-down", _in_scale_down, weight=2),
    Fault("service killed in a drain", _in_drain, weight=2),
    Fault("service killed in a state write", _in_state_write, weight=2, quick=True),
    Fault("service killed again and again", _twice),
    Fault("service stopped", _stopped, quick=True),
)

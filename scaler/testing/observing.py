"""Looking at an actuator's replicas until they are as a test expects them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar, cast

from scaler.model import App, ForeignTarget, Replica, ReplicaState, ScalingPolicy, Workload
from scaler.ports.actuator import Actuator
from scaler.ports.errors import EngineUnavailable

T = TypeVar("T")

# Long enough for a slow machine; nothing waits this long unless it fails.
PATIENCE_S = 60.0


async def eventually(look: Callable[[], Awaitable[T]], expected: Callable[[T], bool]) -> T:
    """Look until what is seen is as expected, and return it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while not expected(seen := await look()):
        assert loop.time() < deadline, f"not as expected within {PATIENCE_S:g} s; last seen: {seen}"
        await asyncio.sleep(0.02)
    return seen


def states(replicas: Sequence[Replica]) -> list[ReplicaState]:
    """Return the replicas' states, oldest first."""
    return [replica.state for replica in replicas]


def workload(target: App | ForeignTarget, name: str = "worker") -> Workload:
    """Return a workload without triggers."""
    return Workload(name=name, target=target, triggers=(), policy=ScalingPolicy())


async def engine_lacks(call: Callable[[], Awaitable[object]]) -> bool:
    """Return whether a call finds that the engine does not answer."""
    try:
        await call()
    except EngineUnavailable:
        return True
    return False


def changes_of(actuator: Actuator) -> aclosing[AsyncGenerator[str, None]]:
    """Return the actuator's changes for the length of an `async with`."""
    return aclosing(cast("AsyncGenerator[str, None]", actuator.changes()))


def sigterm_ignored(pid: int) -> bool:
    """Return whether a process ignores SIGTERM; see SigIgn in proc(5)."""
    status = Path(f"/proc/{pid}/status").read_text()
    ignored = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(ignored, 16) >> (signal.SIGTERM - 1) & 1)

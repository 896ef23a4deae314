"""Calls that make a workload's replicas change: they outlive a cancelled caller, and the next caller waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from scaler.ports.actuator import Applied
from scaler.ports.errors import ActuatorError

log = structlog.get_logger(__name__)


class Operations:
    """Operations under way, by workload. Each returns the name of its replica.

    Args:
        ended: Called whenever one ends, however it ends.
    """

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended
        self._under_way: dict[str, set[asyncio.Task[str]]] = {}

    def begin(self, workload: str, step: Coroutine[Any, Any, str]) -> asyncio.Task[str]:
        """Run it as a task of its own; an error that is a bug is logged whether anybody waits or not."""
        tasks = self._under_way.setdefault(workload, set())
        task = asyncio.create_task(step, name=f"actuator:apply:{workload}")
        tasks.add(task)

        def ended(task: asyncio.Task[str]) -> None:
            tasks.discard(task)
            if not tasks and self._under_way.get(workload) is tasks:
                del self._under_way[workload]
            if not task.cancelled() and (error := task.exception()) and not isinstance(error, ActuatorError):
                log.error("replica_operation_failed", workload=workload, exc_info=error)
            self._ended()

        task.add_done_callback(ended)
        return task

    async def settled(self, workload: str) -> None:
        """Wait until none of a workload is under way."""
        while tasks := self._under_way.get(workload):
            await asyncio.wait(tuple(tasks))

    async def settle(self) -> None:
        """Wait for all that are under way now."""
        if under_way := [task for tasks in self._under_way.values() for task in tasks]:
            await asyncio.wait(under_way)


def outcome(
    stops: Sequence[asyncio.Task[str]], starts: Sequence[asyncio.Task[str]], drained: Sequence[str] = ()
) -> Applied:
    """Return what ended operations amount to; raise the first error when nothing was done, or when it is a bug.

    Replicas that drain count as told to stop.
    """
    done = [task for task in (*stops, *starts) if task.exception() is None]
    errors = [error for task in (*starts, *stops) if (error := task.exception())]
    bugs = [error for error in errors if not isinstance(error, ActuatorError)]
    if errors and (bugs or not (done or drained)):
        raise (bugs or errors)[0]
    return Applied(
        started=tuple(task.result() for task in starts if task in done),
        stopped=(*drained, *(task.result() for task in stops if task in done)),
        failed=tuple(str(error) for error in errors),
    )

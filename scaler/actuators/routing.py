"""One actuator for a service whose workloads are of different kinds: each goes to the actuator of its target."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import ClassVar, Self

from scaler.model import ForeignTarget, Replica, Workload
from scaler.ports.actuator import Actuator, Applied, Usage


class RoutingActuator(Actuator):
    """Hands everything on.

    Args:
        apps: What runs apps; it also says what it thinks of targets that nobody here scales.
        foreign: By the kind of target, what scales things that run already.
    """

    kind: ClassVar[str] = "routing"

    def __init__(self, apps: Actuator, foreign: Mapping[str, Actuator]) -> None:
        self._apps = apps
        self._foreign = foreign
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for each in (self._apps, *self._foreign.values()):
                await stack.enter_async_context(each)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def observe(self, workload: Workload) -> tuple[Replica, ...]:
        """See `Actuator.observe`."""
        return await self._of(workload).observe(workload)

    async def apply(self, workload: Workload, count: int) -> Applied:
        """See `Actuator.apply`."""
        return await self._of(workload).apply(workload, count)

    async def usage(self, workload: Workload) -> tuple[Usage, ...]:
        """See `Actuator.usage`."""
        return await self._of(workload).usage(workload)

    async def owned(self) -> Mapping[str, tuple[Replica, ...]]:
        """See `Actuator.owned`."""
        owned: dict[str, tuple[Replica, ...]] = {}
        for each in (self._apps, *self._foreign.values()):
            owned |= await each.owned()
        return owned

    async def remove(self, workload_name: str) -> None:
        """See `Actuator.remove`."""
        for each in (self._apps, *self._foreign.values()):
            await each.remove(workload_name)

    async def changes(self) -> AsyncIterator[str]:
        """See `Actuator.changes`."""
        names: asyncio.Queue[str | Exception] = asyncio.Queue()

        async def collect(actuator: Actuator) -> None:
            try:
                async for name in actuator.changes():
                    names.put_nowait(name)
            except Exception as bug:  # noqa: BLE001 - raised again below, where somebody sees it
                names.put_nowait(bug)

        tasks = [
            asyncio.create_task(collect(each), name=f"changes:{each.kind}")
            for each in (self._apps, *self._foreign.values())
        ]
        try:
            while True:
                name = await names.get()
                if isinstance(name, Exception):
                    raise name
                yield name
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _of(self, workload: Workload) -> Actuator:
        target = workload.target
        return self._foreign.get(target.kind, self._apps) if isinstance(target, ForeignTarget) else self._apps

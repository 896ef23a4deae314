"""One configuration from several places, each of which changes on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from scaler.model import App, ForeignTarget, Workload

log = structlog.get_logger(__name__)


class Parts:
    """Puts together what each place says, and hands on the whole. An earlier place wins.

    Args:
        apply: Takes the whole configuration.
        parts: What each place says at first, in their order.
    """

    def __init__(
        self, apply: Callable[[Sequence[Workload]], Awaitable[None]], parts: Mapping[str, Sequence[Workload]]
    ) -> None:
        self._apply = apply
        self._parts = dict(parts)
        self._shadowed: set[str] = set()
        self._applying = asyncio.Lock()

    async def take(self, part: str, workloads: Sequence[Workload]) -> None:
        """Go over to what one place says now."""
        async with self._applying:
            self._parts[part] = workloads
            await self._apply(self._whole())

    def _whole(self) -> list[Workload]:
        """Return each workload once; who has the name or the target of an earlier one is left out, and told of."""
        by_name: dict[str, Workload] = {}
        by_target: dict[App | ForeignTarget | None, Workload] = {}
        shadowed: set[str] = set()
        for workload in (each for part in self._parts.values() for each in part):
            target = workload.target if isinstance(workload.target, ForeignTarget) else None
            other = by_name.get(workload.name) or (by_target.get(target) if target else None)
            if other is None:
                by_name[workload.name] = by_target[target] = workload
                continue
            shadowed.add(workload.name)
            if workload.name not in self._shadowed:
                log.error(
                    "workload_ignored",
                    workload=workload.name,
                    found=str(workload.location),
                    expected="one place that scales each target, and a name of its own for each workload",
                    first=str(other.location),
                )
        self._shadowed = shadowed
        return list(by_name.values())

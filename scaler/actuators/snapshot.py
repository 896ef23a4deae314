"""One listing of the engine, shared by all who ask at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import structlog

from scaler.ports.errors import EngineUnavailable

log = structlog.get_logger(__name__)

# Events of a burst (20 starts) that arrive within this time cost one listing.
_COALESCE_S = 0.02


class Listed(Protocol):
    """What a listing consists of."""

    @property
    def id(self) -> str:
        """The engine's identifier."""

    @property
    def workload(self) -> str:
        """What it belongs to."""

    @property
    def created_at(self) -> float:
        """Seconds since the epoch."""

    @property
    def name(self) -> str:
        """What an operator reads."""


T = TypeVar("T", bound=Listed)


class Snapshot(Generic[T]):
    """The latest listing, read again after every `invalidate` and when older than `max_age_s`.

    However many workloads ask, at most one listing is under way, and one more after it when something changed
    meanwhile: 1,000 workloads cost one call.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[Sequence[T]]],
        absorb: Callable[[Sequence[T]], None],
        *,
        max_age_s: float,
    ) -> None:
        self._read = read
        self._absorb = absorb
        self._max_age_s = max_age_s
        self._version = 0
        self._stale = asyncio.Event()
        self._read_version = -1
        self._read_at = 0.0
        self._reading: asyncio.Task[None] | None = None
        self._units: Mapping[str, tuple[T, ...]] = {}
        self._puts = 0
        self._put: dict[str, tuple[int, T]] = {}

    @property
    def seen(self) -> Mapping[str, tuple[T, ...]]:
        """The units by workload as they were last seen, however long ago."""
        return self._units

    def invalidate(self) -> None:
        """Forget the listing: something changed, or may have. Whoever follows reads it again."""
        self._version += 1
        self._stale.set()

    async def follow(self, *, retry_s: float) -> None:
        """Read the listing again soon after each `invalidate`, until cancelled; one that fails, after `retry_s`.

        It ends for nothing: without it no change would be noticed, and nobody would know.
        """
        while True:
            await self._stale.wait()
            await asyncio.sleep(_COALESCE_S)
            self._stale.clear()
            try:
                await self.get()
            except EngineUnavailable:
                await asyncio.sleep(retry_s)
                self._stale.set()
            except Exception:
                log.exception("listing_failed")
                await asyncio.sleep(retry_s)
                self._stale.set()

    def put(self, unit: T) -> None:
        """Take note of one unit without a listing. One under way, which may be older, does not undo it."""
        self._puts += 1
        self._put[unit.id] = self._puts, unit
        others = (each for each in self._units.get(unit.workload, ()) if each.id != unit.id)
        self._units = {**self._units, unit.workload: tuple(sorted((*others, unit), key=_age))}

    async def current(self) -> Mapping[str, tuple[T, ...]]:
        """Return the units as `get` does, except that age alone does not make anybody wait: it is mended meanwhile.

        For engines that tell of what changes: then an old listing is a right one, and a missed event the exception.

        Raises:
            EngineUnavailable: The engine does not answer.
        """
        if self._read_version < self._version:
            return await self.get()
        if self._read_at < asyncio.get_running_loop().time() - self._max_age_s and self._reading is None:
            self._begin()
        return self._units

    async def get(self) -> Mapping[str, tuple[T, ...]]:
        """Return the units by workload, oldest first, no older than this call's latest `invalidate`.

        Raises:
            EngineUnavailable: The engine does not answer.
        """
        wanted, oldest = self._version, asyncio.get_running_loop().time() - self._max_age_s
        while self._read_version < wanted or self._read_at < oldest:
            await asyncio.shield(self._reading or self._begin())
        return self._units

    async def settle(self) -> None:
        """Wait for a listing under way, whatever comes of it."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    def _begin(self) -> asyncio.Task[None]:
        self._reading = asyncio.create_task(self._list(self._version), name="actuator:listing")
        self._reading.add_done_callback(_retrieve)
        return self._reading

    async def _list(self, version: int) -> None:
        try:
            await self._refresh(version)
        except EngineUnavailable:
            self.invalidate()  # nobody may be waiting for this one; whoever looks next is told
            raise
        finally:
            # Here, not in a callback: those who waited run first, and would wait for this ended task again.
            self._reading = None

    async def _refresh(self, version: int) -> None:
        began, puts = asyncio.get_running_loop().time(), self._puts
        listed = {unit.id: unit for unit in await self._read()}
        self._put = {unit_id: put for unit_id, put in self._put.items() if put[0] > puts}
        listed |= {unit_id: unit for unit_id, (_, unit) in self._put.items()}
        units = sorted(listed.values(), key=_age)
        grouped: dict[str, list[T]] = {}
        for unit in units:
            grouped.setdefault(unit.workload, []).append(unit)
        self._units = {workload: tuple(members) for workload, members in grouped.items()}
        self._read_version, self._read_at = version, began
        self._absorb(units)


def _age(unit: Listed) -> tuple[float, str]:
    return unit.created_at, unit.name


def _retrieve(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # whoever waits gets it; nobody may be waiting any more

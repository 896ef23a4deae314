"""Keeps the state store up to date behind the loops' backs, so that no decision waits for the disk."""

from __future__ import annotations

import asyncio

import structlog

from scaler.backoff import Backoff
from scaler.ports.state_store import Remembered, StateStore

log = structlog.get_logger(__name__)

# Recommendations and activity may lose this much when the service is killed; a change of the count loses nothing.
FLUSH_INTERVAL_S = 1.0


class Memory:
    """What is remembered of each workload: at once in memory, soon after on disk.

    A disk that cannot be written is reported once; memory goes on, and is written when the disk is back.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._kept: dict[str, Remembered] = {}
        self._dirty: set[str] = set()
        self._forgotten: set[str] = set()
        self._urgent = asyncio.Event()
        self._writable = True

    async def load(self) -> None:
        """Read what an earlier run left."""
        self._kept.update(await self._store.load())

    def recall(self, workload_name: str) -> Remembered | None:
        """Return what is remembered of a workload."""
        return self._kept.get(workload_name)

    @property
    def names(self) -> frozenset[str]:
        """The workloads that are remembered."""
        return frozenset(self._kept)

    def keep(self, workload_name: str, remembered: Remembered, *, urgent: bool) -> None:
        """Remember this; `urgent` writes it at once instead of with the next flush."""
        self._kept[workload_name] = remembered
        self._dirty.add(workload_name)
        self._forgotten.discard(workload_name)
        if urgent:
            self._urgent.set()

    def forget(self, workload_name: str) -> None:
        """Remember nothing of a workload any more."""
        self._kept.pop(workload_name, None)
        self._dirty.discard(workload_name)
        self._forgotten.add(workload_name)
        self._urgent.set()

    async def run(self) -> None:
        """Write until cancelled; the last changes are written on the way out."""
        backoff = Backoff(first_s=FLUSH_INTERVAL_S, longest_s=30)
        try:
            while True:
                try:
                    async with asyncio.timeout(FLUSH_INTERVAL_S):
                        await self._urgent.wait()
                except TimeoutError:
                    pass
                self._urgent.clear()
                if await self.flush():
                    backoff.reset()
                else:
                    await asyncio.sleep(backoff.next_delay())
        finally:
            await self.flush()

    async def flush(self) -> bool:
        """Write what changed; return whether the disk took it."""
        dirty, self._dirty = self._dirty, set()
        forgotten, self._forgotten = self._forgotten, set()
        try:
            for name in forgotten:
                await self._store.forget(name)
            if dirty:
                await self._store.save({name: self._kept[name] for name in dirty if name in self._kept})
        except BaseException as error:
            # Whatever it was, a cancellation in the middle included: the next flush writes it all again.
            self._dirty |= dirty
            self._forgotten |= forgotten
            if not isinstance(error, OSError):
                raise
            if self._writable:
                log.error("state_not_written", error=str(error))
            self._writable = False
            return False
        if not self._writable:
            log.info("state_written_again")
        self._writable = True
        return True

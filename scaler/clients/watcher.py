"""Who waits for a source to push, and the sessions in which the source is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Never

from scaler.ports.errors import SourceError


class Watcher:
    """Told that something may have come, or that nothing will be told any more. Tellings in between are one."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._ended = False
        self._error: SourceError | None = None

    def tell(self) -> None:
        """Something may have come."""
        self._told.set()

    def end(self, error: SourceError | None) -> None:
        """Nothing will be told any more: the source does not push, or it is lost."""
        self._ended, self._error = True, error
        self._told.set()

    async def wait(self) -> bool:
        """Wait until told; return False when that was the end.

        Raises:
            SourceError: It ended with this.
        """
        await self._told.wait()
        self._told.clear()
        if self._error is not None:
            raise self._error.again()
        return not self._ended


class Sessions:
    """Holds a session with the source while anyone watches, and begins anew after each loss.

    Args:
        wanted: Set while anyone watches.
        hold: Hears what the source pushes; ends only with an error. One of its tasks is `raise_when_lost`.
        ended: Told why a session ended, and None when there will be no more.
    """

    def __init__(
        self, *, wanted: asyncio.Event, hold: Callable[[], Awaitable[None]], ended: Callable[[SourceError | None], None]
    ) -> None:
        self._wanted = wanted
        self._hold = hold
        self._ended = ended
        self._lost: asyncio.Future[SourceError] | None = None

    def fail(self, error: SourceError) -> None:
        """End the session: the source was found lost by other means."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(error)

    async def raise_when_lost(self) -> Never:
        """Raise what `fail` is told."""
        self._lost = asyncio.get_running_loop().create_future()
        try:
            raise await self._lost
        finally:
            self._lost = None

    async def serve(self) -> None:
        """Hold one session after the other until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                try:
                    await self._hold()
                except* SourceError as errors:
                    lost = errors.exceptions[0]
                    self._ended(lost if isinstance(lost, SourceError) else None)
        finally:
            self._ended(None)

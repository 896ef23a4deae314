"""Who waits for a source to push, and what those who hear from the source tell them."""

from __future__ import annotations

import asyncio

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

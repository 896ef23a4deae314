"""A stream from which no peer can make the service keep more than a bound: protocols announce lengths of gigabytes."""

from __future__ import annotations

import asyncio


class BoundedReader:
    """Reads from another reader, and refuses to wait for more than `most` bytes in one piece."""

    def __init__(self, reader: asyncio.StreamReader, most: int) -> None:
        self._reader = reader
        self._most = most

    async def readexactly(self, n: int) -> bytes:
        """Return exactly `n` bytes.

        Raises:
            ConnectionError: These are more than a peer that makes sense would send in one piece.
            asyncio.IncompleteReadError: There are no more so many.
        """
        if not 0 <= n <= self._most:
            raise ConnectionAbortedError(f"the server announced {n} bytes in one piece")
        return await self._reader.readexactly(n)

    async def read(self, n: int = -1) -> bytes:
        """Return some bytes, up to `n` and up to the bound."""
        return await self._reader.read(self._most if n < 0 else min(n, self._most))

    def at_eof(self) -> bool:
        """Whether there is nothing more."""
        return self._reader.at_eof()

"""Names of workloads whose replicas changed, for whoever follows them: each once, however often it changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class ChangedNames:
    """A queue without repetitions, in the order of their first change."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._any = asyncio.Event()

    def add(self, name: str) -> None:
        """Something changed."""
        self._names[name] = None
        self._any.set()

    async def follow(self) -> AsyncIterator[str]:
        """Yield the names as they come."""
        while True:
            await self._any.wait()
            while self._names:
                name = next(iter(self._names))
                del self._names[name]
                yield name
            self._any.clear()

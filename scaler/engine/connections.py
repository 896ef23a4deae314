"""Sharing of clients between triggers, counted by their users."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog

from scaler.ports.errors import SourceUnavailable

T = TypeVar("T")

# A client that takes longer to close is given up.
CLOSE_DEADLINE_S = 5.0

_log = structlog.get_logger(__name__)


class _Client:
    """A client and how many use it. `opened` gives it, or why it could not be made."""

    def __init__(self) -> None:
        self.users = 0
        self.stays: set[asyncio.Timeout] = set()
        self.opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.unused = asyncio.Event()
        self.closed = asyncio.Event()


class SharedConnections:
    """The `Connections` port. Use it as an async context manager; leaving it closes what is still open.

    Each client is entered and left in a task of its own, whoever borrows it first or last, because a client may hold
    a task group or a deadline, which must be left by the task that entered it.
    """

    def __init__(self, on_count: Callable[[str, int], None] = lambda _kind, _count: None) -> None:
        """Make it.

        Args:
            on_count: Told the number of open clients of a kind whenever it changes.
        """
        self._on_count = on_count
        self._clients: dict[tuple[str, Hashable], _Client] = {}
        self._open: Counter[str] = Counter()
        self._holders = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._holders.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.unused.set()
        await self._holders.__aexit__(None, None, None)

    @asynccontextmanager
    async def shared(
        self, kind: str, key: Hashable, connect: Callable[[], AbstractAsyncContextManager[T]]
    ) -> AsyncIterator[T]:
        """Lend the client of `key`; see `scaler.ports.connections.Connections`."""
        client = self._clients.get((kind, key))
        if client is None:
            client = self._clients[kind, key] = _Client()
            self._holders.create_task(self._hold(kind, key, client, connect), name=f"{kind} client")
        client.users += 1
        stay = asyncio.timeout(None)
        client.stays.add(stay)
        try:
            # From now on, since a client may crash between its opening and its being taken.
            async with stay:
                # Shielded: one borrower's cancellation is not the others'.
                yield await asyncio.shield(client.opened)
        except TimeoutError as error:
            if not stay.expired():
                raise
            raise SourceUnavailable(f"the {kind} client crashed") from error
        finally:
            client.stays.discard(stay)
            client.users -= 1
            if client.users == 0:
                self._forget(kind, key, client)
                client.unused.set()
                await client.closed.wait()

    async def _hold(
        self, kind: str, key: Hashable, client: _Client, connect: Callable[[], AbstractAsyncContextManager[Any]]
    ) -> None:
        try:
            async with asyncio.timeout(None) as closing, connect() as opened:
                self._count(kind, 1)
                try:
                    client.opened.set_result(opened)
                    await client.unused.wait()
                    closing.reschedule(asyncio.get_running_loop().time() + CLOSE_DEADLINE_S)
                finally:
                    self._count(kind, -1)
        except Exception as error:  # noqa: BLE001 - a client's bug must not bring down the clients of other triggers
            if client.opened.done():
                _log.exception("shared_client_crashed", kind=kind)
                # It is of no use to its borrowers any more: they are thrown out, and may borrow another.
                for stay in client.stays:
                    stay.reschedule(asyncio.get_running_loop().time())
            else:
                client.opened.set_exception(error)
        finally:
            self._forget(kind, key, client)
            if not client.opened.done():
                client.opened.set_exception(SourceUnavailable(f"the {kind} client was closed while it was opened"))
            if client.users == 0:
                client.opened.exception()  # nobody is left to retrieve it
            client.closed.set()

    def _forget(self, kind: str, key: Hashable, client: _Client) -> None:
        if self._clients.get((kind, key)) is client:
            del self._clients[kind, key]

    def _count(self, kind: str, change: int) -> None:
        self._open[kind] += change
        self._on_count(kind, self._open[kind])

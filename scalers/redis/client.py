"""A client that many triggers share: their commands travel as one pipeline on one connection."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, Self, TypeAlias

from redis.backoff import EqualJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from scaler.ports.connections import Connections
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable, Transient
from scalers.redis.config import Server
from scalers.redis.connection import disconnect, new_connection, send
from scalers.redis.errors import translate
from scalers.redis.keyspace import KeyspaceEvents, notifies

Command: TypeAlias = tuple[str | int, ...]
_Outcome: TypeAlias = "asyncio.Future[Any]"

# Commands that come within this time of the first travel together.
GATHER_S = 0.002
# How often a lost server is tried again, at most; one that refuses our credentials less often, as it logs each try.
_UNAVAILABLE_BACKOFF = EqualJitterBackoff(cap=0.8, base=0.05)
_REJECTED_BACKOFF = EqualJitterBackoff(cap=10.0, base=0.5)


class RedisClient:
    """Gathers commands and sends them as one pipeline; while the server is lost, every command fails at once.

    One task does the sending and, after an outage, the trying again, so that however many triggers there are, a lost
    server sees one connection attempt at a time. Only commands that change nothing may be submitted: after a
    connection that the server had closed, they are sent again.
    """

    def __init__(self, server: Server) -> None:
        self._events = KeyspaceEvents(server)
        self._server = server
        self._connection = new_connection(server)
        self._queue: list[tuple[Command, _Outcome]] = []
        self._sending: list[tuple[Command, _Outcome]] = []
        self._submitted = asyncio.Event()
        self._outage: SourceError | None = None

    @classmethod
    def shared(cls, server: Server, connections: Connections) -> AbstractAsyncContextManager[Self]:
        """Borrow the client of this server, database and user."""
        return connections.shared("redis", server, lambda: cls.connect(server))

    @classmethod
    @asynccontextmanager
    async def connect(cls, server: Server) -> AsyncIterator[Self]:
        """Make a client; it connects at first use."""
        client = cls(server)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(client._serve(), name=f"{server}: commands"),
                tasks.create_task(client._events.serve(), name=f"{server}: events"),
            ]
            try:
                yield client
            finally:
                for task in running:
                    task.cancel()

    async def submit(self, *command: str | int) -> Any:
        """Send a command with the next pipeline and return its raw reply.

        Raises:
            SourceUnavailable: The server is lost, or says that it cannot answer now.
            SourceRejected: It refused the command, or us.
        """
        if self._outage is not None:
            raise type(self._outage)(*self._outage.args)
        outcome: _Outcome = asyncio.get_running_loop().create_future()
        self._queue.append((command, outcome))
        self._submitted.set()
        reply = await outcome
        if isinstance(reply, SourceError):
            raise reply
        return reply

    async def additions(self, key: str, kinds: str) -> AsyncIterator[None]:
        """Yield whenever something may have been added to a key, as long as the server notifies of such keys.

        Args:
            key: Whose additions.
            kinds: What the key may be, in the letters of `notify-keyspace-events` (l list, s set, z sorted set, ...).

        Raises:
            SourceError: The server is lost.
        """
        try:
            setting = await self.submit("CONFIG", "GET", "notify-keyspace-events")
        except SourceRejected:
            # Asking may be forbidden, subscribing allowed.
            setting = []
        if setting and not notifies(setting[1].decode(), kinds):
            return
        async with aclosing(self._events.watch(key)) as events:
            async for event in events:
                yield event

    async def _serve(self) -> None:
        try:
            while True:
                await self._submitted.wait()
                await asyncio.sleep(GATHER_S)
                self._submitted.clear()
                # Those whose reader was cancelled meanwhile are not sent.
                self._sending = [entry for entry in self._queue if not entry[1].done()]
                self._queue = []
                try:
                    replies = await self._exchange([command for command, _ in self._sending])
                except SourceError as error:
                    await self._recover(error)
                else:
                    for (_, outcome), reply in zip(self._sending, replies, strict=True):
                        _settle(outcome, reply)
        finally:
            self._lose(SourceUnavailable(f"{self._server}: the client was closed"))
            await disconnect(self._connection)

    async def _exchange(self, commands: list[Command]) -> list[Any]:
        """Send the commands as one pipeline; a refusal of one is its reply, so that it does not disturb the others."""
        reused = self._connection.is_connected
        try:
            try:
                return await self._round_trip(commands)
            except RedisConnectionError:
                # A server closes idle connections and those of its former life: that alone is no outage.
                if not reused:
                    raise
                return await self._round_trip(commands)
        except (RedisError, OSError) as error:
            raise translate(error, source=self._server) from error

    async def _round_trip(self, commands: list[Command]) -> list[Any]:
        if not commands:
            return []
        await send(self._connection, commands)
        replies: list[Any] = []
        for _ in commands:
            try:
                replies.append(await self._connection.read_response())
            except ResponseError as error:
                replies.append(translate(error, source=self._server))
        return replies

    async def _recover(self, error: SourceError) -> None:
        for attempt in itertools.count(1):
            self._lose(error)
            backoff = _UNAVAILABLE_BACKOFF if isinstance(error, Transient) else _REJECTED_BACKOFF
            await asyncio.sleep(backoff.compute(attempt))
            try:
                # Any answer to PING, even that it is forbidden, is a sign of life.
                await self._exchange([("PING",)])
            except SourceError as still:
                error = still
            else:
                self._outage = None
                return

    def _lose(self, error: SourceError) -> None:
        self._outage = error
        for _, outcome in itertools.chain(self._sending, self._queue):
            _settle(outcome, error)
        self._sending, self._queue = [], []
        self._events.fail(error)


def _settle(outcome: _Outcome, reply: Any) -> None:
    """Hand over a reply or an error, as a result either way: nobody may be there any more to retrieve an exception."""
    if not outcome.done():
        outcome.set_result(type(reply)(*reply.args) if isinstance(reply, SourceError) else reply)

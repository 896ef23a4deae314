"""A client that many triggers share: their commands travel as one pipeline on one connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self, TypeAlias

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from scaler.clients.batcher import Batcher
from scaler.ports.errors import SourceRejected
from scalers.redis.connection import disconnect, new_connection, send
from scalers.redis.errors import translate, understood
from scalers.redis.keyspace import KeyspaceEvents, notifies
from scalers.redis.servers import Server

Command: TypeAlias = tuple[str | int, ...]
ASKING = "ASKING"
"""Before a command, it makes a node of a cluster answer for a slot that is on its way to it."""


class RedisClient:
    """Sends commands that come together as one pipeline; while the server is lost, every command fails at once.

    Only commands that change nothing may be submitted: equal ones are sent once, and after a connection that the
    server had closed, they are sent again.
    """

    def __init__(self, server: Server) -> None:
        self._events = KeyspaceEvents(server)
        self.server = server
        self._connection = new_connection(server)
        self._batcher: Batcher[Command, Any] = Batcher(
            server, exchange=self._exchange, revive=self._ping, on_lost=self._events.fail
        )

    @classmethod
    @asynccontextmanager
    async def connect(cls, server: Server) -> AsyncIterator[Self]:
        """Make a client; it connects at first use."""
        client = cls(server)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(client.serve(), name=f"{server}")
            try:
                yield client
            finally:
                serving.cancel()

    async def serve(self) -> None:
        """Send and receive until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._batcher.serve(), name=f"{self.server}: commands")
                tasks.create_task(self._events.serve(), name=f"{self.server}: events")
        finally:
            await disconnect(self._connection)

    async def submit(self, *command: str | int) -> Any:
        """Send a command with the next pipeline and return its raw reply.

        Raises:
            SourceUnavailable: The server is lost, or says that it cannot answer now.
            SourceRejected: It refused the command, or us.
        """
        return await self._batcher.ask(command)

    async def additions(self, key: str, kinds: str) -> AsyncGenerator[None, None]:
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
        with understood(self.server):
            if setting and not notifies(setting[1].decode(), kinds):
                return
        async with aclosing(self._events.watch(key)) as events:
            async for event in events:
                yield event

    def release(self, gone: Callable[[bytes], bool]) -> None:
        """End `additions` of keys that live elsewhere now."""
        self._events.end(gone)

    async def _ping(self) -> None:
        # Any answer, even that it is forbidden, is a sign of life.
        await self._exchange([("PING",)])

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
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
            raise translate(error, source=self.server) from error

    async def _round_trip(self, commands: Sequence[Command]) -> list[Any]:
        await send(self._connection, [part for command in commands for part in _parts(command)])
        replies: list[Any] = []
        for command in commands:
            for _ in _parts(command):
                try:
                    reply = await self._connection.read_response()
                except ResponseError as error:
                    reply = translate(error, source=self.server)
            replies.append(reply)
        return replies


def _parts(command: Command) -> Sequence[Command]:
    """Return what goes over the wire: the last reply counts."""
    return (command[:1], command[1:]) if command[0] == ASKING else (command,)

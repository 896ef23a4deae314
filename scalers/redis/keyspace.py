"""Keyspace notifications: the server says that something was added to a key. Its settings are never changed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress

from redis.asyncio import Connection
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from scaler.cancellation import raise_if_cancelled
from scaler.clients.watcher import Sessions, Watcher
from scaler.ports.errors import SourceError
from scalers.redis.connection import SOCKET_TIMEOUT_S, disconnect, new_connection, send
from scalers.redis.errors import translate, understood
from scalers.redis.servers import Server

# Events after which a key may hold more than before. What only takes away is not among them: workers cause those.
_ADDING = frozenset(
    b"lpush rpush linsert sadd zadd zincr hset hincrby hincrbyfloat xadd xgroup-setid "
    b"rename_to move_to copy_to restore sortstore sunionstore sinterstore sdiffstore zunionstore zinterstore "
    b"zdiffstore zrangestore geosearchstore georadiusstore".split()
)


def notifies(setting: str, kinds: Iterable[str]) -> bool:
    """Whether `notify-keyspace-events` has keyspace events on for one of these kinds of keys (l, s, ...)."""
    return "K" in setting and ("A" in setting or any(kind in setting for kind in kinds))


class KeyspaceEvents:
    """One subscription connection for all watched keys of a database, opened when the first is watched."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._watchers: dict[bytes, set[Watcher]] = {}
        self._wanted = asyncio.Event()
        self._outbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._unanswered: deque[bytes] = deque()
        self._sessions = Sessions(wanted=self._wanted, hold=self._hold_session, ended=self._end_all)
        self._closed = False

    async def watch(self, key: str) -> AsyncGenerator[None, None]:
        """Yield when the subscription stands, then whenever something may have been added; events in between are one.

        It ends when the user may not subscribe, the key lives elsewhere now, or the client is closed.

        Raises:
            SourceError: The server is lost.
        """
        if self._closed:
            return
        channel = f"__keyspace@{self._server.database}__:{key}".encode()
        watcher = Watcher()
        others = self._watchers.setdefault(channel, set())
        if not others:
            self._outbox.put_nowait(("SUBSCRIBE", channel))
        elif channel not in self._unanswered:
            watcher.tell()
        others.add(watcher)
        self._wanted.set()
        try:
            while await watcher.wait():
                yield
        finally:
            self._forget(channel, watcher)

    def fail(self, error: SourceError) -> None:
        """End what watches: the server was found lost by other means."""
        self._sessions.fail(error)

    def end(self, gone: Callable[[bytes], bool]) -> None:
        """End what watches keys that live elsewhere now."""
        for channel, watchers in self._watchers.items():
            if gone(channel.partition(b":")[2]):
                for watcher in watchers:
                    watcher.end(None)

    async def serve(self) -> None:
        """Hold a session while anyone watches; cancelled when the client closes."""
        try:
            await self._sessions.serve()
        finally:
            self._closed = True

    async def _hold_session(self) -> None:
        # Without a socket timeout: silence is what a subscription is made of. Keep-alive finds a dead peer.
        connection = new_connection(self._server, socket_timeout_s=None)
        try:
            async with asyncio.TaskGroup() as session:
                session.create_task(self._sessions.raise_when_lost(), name=f"{self._server}: events: outage")
                try:
                    async with asyncio.timeout(SOCKET_TIMEOUT_S):
                        await connection.connect()  # type: ignore[no-untyped-call]
                        raise_if_cancelled()
                    session.create_task(self._send(connection), name=f"{self._server}: events: subscribe")
                    while True:
                        await self._receive(connection)
                except (RedisError, OSError) as error:
                    raise translate(error, source=self._server) from error
        finally:
            await disconnect(connection)

    async def _send(self, connection: Connection) -> None:
        while True:
            entries = [await self._outbox.get()]
            with suppress(asyncio.QueueEmpty):
                while True:
                    entries.append(self._outbox.get_nowait())
            # The server answers in this order, refusals included, which name no channel.
            self._unanswered.extend(channel for _, channel in entries)
            try:
                await send(connection, entries)
            except (RedisError, OSError) as error:
                raise translate(error, source=self._server) from error

    async def _receive(self, connection: Connection) -> None:
        try:
            reply = await connection.read_response()
        except ResponseError as refusal:
            if not self._unanswered:
                raise
            denied = isinstance(refusal, NoPermissionError)
            error = None if denied else translate(refusal, source=self._server)
            for watcher in self._watchers.pop(self._unanswered.popleft(), set()):
                watcher.end(error)
            return
        with understood(self._server):
            kind, channel, event = reply
            if kind != b"message":
                self._unanswered.popleft()
            watchers = self._watchers.get(channel, set()) if kind == b"subscribe" or event in _ADDING else set()
        for watcher in watchers:
            watcher.tell()

    def _forget(self, channel: bytes, watcher: Watcher) -> None:
        others = self._watchers.get(channel, set())
        if watcher in others:
            others.remove(watcher)
            if not others:
                del self._watchers[channel]
                self._outbox.put_nowait(("UNSUBSCRIBE", channel))

    def _end_all(self, error: SourceError | None) -> None:
        watchers = [watcher for watchers in self._watchers.values() for watcher in watchers]
        self._watchers.clear()
        self._unanswered.clear()
        self._outbox = asyncio.Queue()
        self._wanted.clear()
        for watcher in watchers:
            watcher.end(error)

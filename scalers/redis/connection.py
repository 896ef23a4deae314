"""One connection of the Redis client library to a server, made from what a trigger says about it."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Connection, SSLConnection
from redis.asyncio.connection import DefaultParser
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError

from scaler.cancellation import raise_if_cancelled
from scalers.redis.errors import translate
from scalers.redis.servers import Server

# A server that says nothing for this long is lost. KEDA's client reads with the same limit.
SOCKET_TIMEOUT_S = 3.0
# The largest replies are a cluster's slots and a stream's groups.
MAX_REPLY_BYTES = 16 * 1024 * 1024
# The parser makes room for a list as soon as its length has come: 16 GB for one of 2,000,000,000.
_LONG_LIST = re.compile(rb"\n[*%~>|][+-]?[0-9]{7}")
_HEADER_BYTES = 16


class _BoundedStream:
    """What the parser reads from, which would keep whatever a server sends, and room for as much as it announces."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._end = b"\n"
        self.taken = 0

    async def read(self, n: int) -> bytes:
        data = await self._stream.read(n)
        self.taken += len(data)
        seen = self._end + data
        if self.taken > MAX_REPLY_BYTES or _LONG_LIST.search(seen):
            raise InvalidResponse("the reply is too large")
        self._end = seen[-_HEADER_BYTES:]
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _BoundedParser(DefaultParser):  # type: ignore[misc, valid-type]
    """The library's, with a bound for each reply."""

    _stream: Any = None

    def on_connect(self, connection: Any) -> None:
        super().on_connect(connection)
        self._stream = _BoundedStream(self._stream)

    async def read_response(self, *args: Any, **options: Any) -> Any:
        self._stream.taken = 0
        try:
            return await super().read_response(*args, **options)
        except (ValueError, TypeError, LookupError) as error:
            # Of a refusal such as MOVED that does not say what it should.
            raise InvalidResponse("the reply makes no sense") from error


class _TlsConnection(SSLConnection):
    """A TLS connection with a context of our own, since the library makes one from files only."""

    def __init__(self, *, context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context.context = context


def new_connection(server: Server, *, socket_timeout_s: float | None = SOCKET_TIMEOUT_S) -> Connection:
    """Return a connection that opens at first use. It never tries twice: who owns it decides when to."""
    options: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "db": server.database,
        "username": server.username or None,
        "password": server.password.get_secret_value() or None,
        "socket_timeout": socket_timeout_s,
        "socket_connect_timeout": SOCKET_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        # RESP2 needs no HELLO and no driver info needs no CLIENT SETINFO: commands that an ACL may forbid.
        "protocol": 2,
        "driver_info": None,
        "parser_class": _BoundedParser,
    }
    if server.tls is None:
        return Connection(**options)
    return _TlsConnection(context=server.tls.context(), **options)


async def send(connection: Connection, commands: Sequence[tuple[str | int | bytes, ...]]) -> None:
    """Send commands in one go, connecting first where needed."""
    try:
        await connection.send_packed_command(connection.pack_commands(commands))
    except (RuntimeError, AttributeError) as error:
        # How uvloop, and from Python 3.12 on asyncio's closed transport, say that the peer has reset the connection.
        raise RedisConnectionError("the connection was reset") from error
    raise_if_cancelled()


async def disconnect(connection: Connection) -> None:
    """Close it, whatever state it is in."""
    with suppress(RedisError, OSError):
        await connection.disconnect()


async def ask_once(server: Server, *command: str) -> Any:
    """Return the reply to one command, over a connection for it alone.

    Raises:
        SourceError: The server is lost, or refused the command or us.
    """
    connection = new_connection(server)
    try:
        await send(connection, [command])
        return await connection.read_response()
    except (RedisError, OSError) as error:
        raise translate(error, source=server) from error
    finally:
        await disconnect(connection)

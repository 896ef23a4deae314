"""One AMQP connection to one virtual host, opened when needed and dropped when it fails."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass
from typing import Any

import aiormq
from pydantic import SecretStr
from yarl import URL

from scaler.clients.bounded_reader import BoundedReader
from scaler.clients.tls import Tls

# A broker that says nothing for this long is lost: before the engine gives up the read, so that it learns why.
ANSWER_TIMEOUT_S = 2.5
# How often either side says that it lives, where nobody asks anything.
_HEARTBEAT_S = 10
# A broker that lives confirms a farewell within this time.
_FAREWELL_S = 0.5
# Brokers and the library agree on 128 KiB.
_MAX_FRAME_BYTES = 1024 * 1024

# The library writes lines and tracebacks for each attempt to connect; an outage is one line of ours.
logging.getLogger("aiormq").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Broker:
    """One virtual host of one broker as one user: triggers for which these are equal share a connection."""

    host: str
    port: int
    vhost: str
    username: str
    password: SecretStr
    tls: Tls | None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rabbitmq at {host}:{self.port}, virtual host {self.vhost!r}"


class Link:
    """A connection that is there when asked for."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._connection: aiormq.Connection | None = None
        self._sockets: _Sockets | None = None

    async def connection(self) -> aiormq.Connection:
        """Return the open connection, making a new one where it has been lost.

        Raises whatever the library raises (`scalers.rabbitmq.errors.FAILURES`), and TimeoutError.
        """
        if self._connection is not None and self._connection.is_opened:
            return self._connection
        await self.close()
        broker = self._broker
        scheme = "amqps" if broker.tls else "amqp"
        url = URL.build(
            scheme=scheme, host=broker.host, port=broker.port, user=broker.username or None,
            password=broker.password.get_secret_value() or None, path="/", query={"heartbeat": str(_HEARTBEAT_S)},
        )  # fmt: skip
        self._sockets = _Sockets(broker.tls.context() if broker.tls else None)
        connection = aiormq.Connection(url, transport_factory=self._sockets)
        connection.vhost = broker.vhost
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await connection.connect(client_properties={"connection_name": "scaler"})
        self._connection = connection
        return connection

    async def close(self, *, farewell_s: float = _FAREWELL_S) -> None:
        """Close the connection, whatever state it and the broker are in.

        Args:
            farewell_s: How long the broker may take to confirm.
        """
        connection, self._connection = self._connection, None
        sockets, self._sockets = self._sockets, None
        if connection is None or sockets is None:
            return
        closing = asyncio.create_task(connection.close(), name=f"{self._broker}: farewell")
        await asyncio.wait((closing,), timeout=farewell_s)
        # The library would wait for a broker that does not answer.
        sockets.abort()
        await asyncio.wait((closing,))


class _Sockets(aiormq.TransportFactory):
    """Opens the socket, and keeps it at hand to close it without asking the broker."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **_: Any) -> tuple[Any, asyncio.StreamWriter]:
        """Connect."""
        try:
            reader, self._writer = await asyncio.open_connection(
                url.host,
                url.port,
                ssl=self._context,
                # A frozen broker would make closing wait for half a minute.
                ssl_shutdown_timeout=_FAREWELL_S if self._context else None,
            )
        except (OSError, UnicodeError) as error:
            raise aiormq.AMQPConnectionError(*error.args) from error
        return BoundedReader(reader, _MAX_FRAME_BYTES), self._writer

    def abort(self) -> None:
        """Close it at once."""
        if self._writer is not None:
            self._writer.transport.abort()

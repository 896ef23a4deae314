"""One connection of the Kafka client library to a broker, made from what a trigger says about the cluster."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import SaslAuthenticationFailed

from scaler.clients.bounded_reader import BoundedReader
from scalers.kafka.errors import FAILURES, translate
from scalers.kafka.oauth import Tokens
from scalers.kafka.server import OAuth, Password, Server, address

# A broker that says nothing for this long is lost.
REQUEST_TIMEOUT_S = 3.0
_FAREWELL_S = 0.2
# What brokers themselves take in one piece (socket.request.max.bytes).
_MAX_FRAME_BYTES = 100 * 1024 * 1024
_CLIENT_ID = "scaler"

# The library writes a line for each try of each connection. What an operator is to know is said once, by the outage.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)


class _TokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    def __init__(self, oauth: OAuth, token: str) -> None:
        self._extensions = dict(oauth.extensions)
        self._token = token

    async def token(self) -> str:
        return self._token

    def extensions(self) -> dict[str, str]:
        return self._extensions


class _Authenticator:
    """The library's, which however takes any answer to a token for consent."""

    def __init__(self, authenticator: Any) -> None:
        self._authenticator = authenticator

    async def step(self, answer: bytes | None) -> Any:
        if answer:
            raise SaslAuthenticationFailed(f"the broker refused the token ({_status(answer)})")
        return await self._authenticator.step(answer)


class _Connection(AIOKafkaConnection):  # type: ignore[misc]
    _reader: Any = None

    def _create_reader_task(self) -> Any:
        self._reader = BoundedReader(self._reader, _MAX_FRAME_BYTES)
        return super()._create_reader_task()

    def authenticator_oauth(self) -> _Authenticator:
        return _Authenticator(super().authenticator_oauth())

    async def leave(self) -> None:
        transport = None if self._writer is None else self._writer.transport
        closed = self.close()
        if closed is None or transport is None:
            return
        try:
            await asyncio.wait((closed,), timeout=_FAREWELL_S)
        finally:
            transport.abort()

    def knows(self, request: Any) -> bool:
        try:
            request.prepare(self._versions)
        except NotImplementedError:
            return False
        return True


class Access:
    """What is needed to be let in, made once for all connections to a cluster."""

    def __init__(self, server: Server) -> None:
        self._sasl = server.sasl
        self._tokens = Tokens(server.sasl) if isinstance(server.sasl, OAuth) else None
        self._context = None if server.tls is None else server.tls.context()

    async def options(self) -> dict[str, Any]:
        """Return the client library's options.

        Raises:
            SourceError: There is no token to be had.
        """
        transport = "PLAINTEXT" if self._context is None else "SSL"
        options: dict[str, Any] = {
            "ssl_context": self._context,
            "security_protocol": transport if self._sasl is None else f"SASL_{transport}",
        }
        if isinstance(self._sasl, Password):
            options["sasl_mechanism"] = self._sasl.mechanism
            options["sasl_plain_username"] = self._sasl.username
            options["sasl_plain_password"] = self._sasl.password.get_secret_value()
        elif self._sasl is not None and self._tokens is not None:
            options["sasl_mechanism"] = "OAUTHBEARER"
            options["sasl_oauth_token_provider"] = _TokenProvider(self._sasl, await self._tokens.current())
        return options

    def refused(self) -> None:
        """Get a new token for the next connection."""
        if self._tokens is not None:
            self._tokens.forget()


class Connection:
    """Sends requests to one broker, in parallel if need be; a lost one stays lost."""

    def __init__(self, broker: str, connection: _Connection) -> None:
        self._broker = broker
        self._connection = connection

    @classmethod
    async def open(cls, access: Access, host: str, port: int) -> Connection:
        """Connect and authenticate.

        Raises:
            SourceError: It cannot be reached, or refuses us.
        """
        broker = f"kafka at {address(host, port)}"
        options = await access.options()
        connection = _Connection(
            host, port, client_id=_CLIENT_ID, request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000), **options
        )
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await connection.connect()
        except FAILURES as error:
            if isinstance(error, SaslAuthenticationFailed):
                access.refused()
            raise translate(error, source=broker) from error
        return cls(broker, connection)

    def __str__(self) -> str:
        return self._broker

    @property
    def lost(self) -> bool:
        """Whether it is of no use any more."""
        return not self._connection.connected()

    def knows(self, request: Any) -> bool:
        """Whether the broker has a version of this request."""
        return self._connection.knows(request)

    async def send(self, request: Any) -> Any:
        """Return the broker's answer.

        Raises:
            SourceError: There is none; the connection is closed then, unless it was cancelled.
        """
        try:
            return await self._connection.send(request)
        except FAILURES as error:
            await self.close()
            raise translate(error, source=self) from error

    async def close(self) -> None:
        """Close it, and not wait long for a broker that does not take leave."""
        await self._connection.leave()


def _status(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["status"])[:50]
    except (ValueError, LookupError, TypeError):
        return "no reason given"

"""How the HTTP client finds a server's address, and what it means when there is no connection."""

from __future__ import annotations

import os
import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable


class OneAddress(AbstractResolver):
    """Resolves whatever name to one address, so that the name stays in Host and in the certificate's check."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the address."""
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        return [
            ResolveResult(
                hostname=host, host=self._address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


def connection_failure(server: object, error: aiohttp.ClientConnectionError) -> SourceError:
    """Return what a failure to connect, or the loss of a connection, means to the engine."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        # Time does not heal a certificate that is not trusted.
        why = getattr(error.certificate_error, "verify_message", "") or "its name or time does not fit"
        return SourceRejected(f"{server}: the server's certificate is not trusted: {why}")
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        reason = getattr(error.os_error, "reason", None) or "handshake failed"
        return SourceRejected(f"{server}: TLS failed: {reason}")
    if isinstance(error, aiohttp.ClientOSError):
        # Of a failed attempt the text says only that it failed. What is no system's number is the resolver's.
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else error.strerror
        return SourceUnavailable(f"{server}: {why or 'the connection was lost'}")
    return SourceUnavailable(f"{server}: the connection was lost")

"""Every address behind a name, each with a client of its own: how replicas of a service are asked one by one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Self

from scaler.clients.http import HttpClient, HttpServer
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable


class Addresses:
    """The clients of all addresses that a server's name resolves to now."""

    def __init__(self, server: HttpServer, host: str, port: int) -> None:
        self._server = server
        self._host = host
        self._port = port
        self._clients: dict[str, tuple[HttpClient, AsyncExitStack]] = {}
        self._updating: asyncio.Task[list[HttpClient] | SourceError] | None = None

    @classmethod
    def shared(
        cls, server: HttpServer, host: str, port: int, connections: Connections
    ) -> AbstractAsyncContextManager[Self]:
        """Borrow those of this server and these credentials."""
        return connections.shared("metrics-api", (server, host, port), lambda: cls.connect(server, host, port))

    @classmethod
    @asynccontextmanager
    async def connect(cls, server: HttpServer, host: str, port: int) -> AsyncIterator[Self]:
        """Make them; nothing is resolved before the first use."""
        addresses = cls(server, host, port)
        try:
            yield addresses
        finally:
            if (updating := addresses._updating) is not None:
                updating.cancel()
                await asyncio.wait((updating,))
            await addresses._keep(frozenset())

    async def clients(self) -> Sequence[HttpClient]:
        """Resolve the name, once for all who ask meanwhile, and return a client for each address.

        Raises:
            SourceUnavailable: The name has no address now.
            SourceRejected: No server can have such a name.
        """
        if self._updating is None:
            self._updating = asyncio.create_task(self._update(), name=f"{self._server}: addresses")
        # Shielded: who stops waiting takes nothing from the others.
        found = await asyncio.shield(self._updating)
        if isinstance(found, SourceError):
            raise found.again()
        return found

    async def _update(self) -> list[HttpClient] | SourceError:
        try:
            found = await self._resolve()
            await self._keep(found)
            for address in found - self._clients.keys():
                stack = AsyncExitStack()
                connecting = HttpClient.connect(replace(self._server, address=address))
                self._clients[address] = (await stack.enter_async_context(connecting), stack)
            return [self._clients[address][0] for address in sorted(found)]
        except SourceError as nowhere:
            return nowhere
        finally:
            self._updating = None

    async def _resolve(self) -> frozenset[str]:
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except UnicodeError:
            raise SourceRejected(f"{self._server}: no server can have this name") from None
        except OSError:
            raise SourceUnavailable(f"{self._server}: its name has no address now") from None
        # A replica with addresses of both kinds is one replica.
        by_family = {
            family: frozenset(str(address[0]) for kind, *_, address in answers if kind == family)
            for family in (socket.AF_INET, socket.AF_INET6)
        }
        return by_family[socket.AF_INET] or by_family[socket.AF_INET6]

    async def _keep(self, wanted: frozenset[str]) -> None:
        for address in self._clients.keys() - wanted:
            _, stack = self._clients.pop(address)
            await stack.aclose()

"""A client that many http triggers share: one for each management API and user."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Self

from pydantic import SecretStr

from scaler.clients.http import HttpClient, HttpServer
from scaler.clients.tls import Tls
from scaler.ports.connections import Connections
from scalers.rabbitmq.address import Address
from scalers.rabbitmq.vhost_queues import Vhost, VhostQueues


class ManagementClient:
    """Has the queues of a server's virtual hosts."""

    def __init__(self, server: HttpServer, http: HttpClient) -> None:
        self._server = server
        self._http = http
        self._vhosts: dict[Vhost, VhostQueues] = {}

    @classmethod
    def shared(cls, server: HttpServer, connections: Connections) -> AbstractAsyncContextManager[Self]:
        """Borrow the client of this server and user."""
        return connections.shared("rabbitmq", server, lambda: cls.connect(server))

    @classmethod
    @asynccontextmanager
    async def connect(cls, server: HttpServer) -> AsyncIterator[Self]:
        """Make a client; it connects at first use."""
        async with HttpClient.connect(server) as http:
            client = cls(server, http)
            try:
                yield client
            finally:
                for queues in client._vhosts.values():
                    await queues.close()

    def queues(self, vhost: Vhost) -> VhostQueues:
        """Return the queues of a virtual host, the same for all who ask."""
        if vhost not in self._vhosts:
            self._vhosts[vhost] = VhostQueues(vhost, self._server, self._http)
        return self._vhosts[vhost]


def management_server(address: Address, tls: Tls | None) -> HttpServer:
    """Return the management API of an address, with the credentials as HTTP takes them."""
    credentials = f"{address.username}:{address.password.get_secret_value()}"
    basic = SecretStr(f"Basic {base64.b64encode(credentials.encode()).decode()}")
    headers = (("Authorization", basic),) if address.username else ()
    return HttpServer(f"{address.scheme}://{address.location}", headers, tls)

"""A client that many http triggers share: one for each management API and user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Self
from weakref import WeakValueDictionary

from scaler.clients.http import HttpClient, HttpServer
from scaler.ports.connections import Connections
from scalers.rabbitmq.api import ManagementApi
from scalers.rabbitmq.vhost_queues import Vhost, VhostQueues


class ManagementClient:
    """Has the queues of a server's virtual hosts."""

    def __init__(self, server: HttpServer, http: HttpClient) -> None:
        self._server = server
        self._http = http
        # Those that a trigger holds: a list of queues goes with the last trigger on its virtual host.
        self._vhosts: WeakValueDictionary[Vhost, VhostQueues] = WeakValueDictionary()

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
                for queues in list(client._vhosts.values()):
                    await queues.close()

    def queues(self, vhost: Vhost) -> VhostQueues:
        """Return the queues of a virtual host, the same for all who ask."""
        if (queues := self._vhosts.get(vhost)) is None:
            # Each has an API of its own: a user who may not use one virtual host may use another.
            queues = self._vhosts[vhost] = VhostQueues(vhost, ManagementApi(self._server, self._http))
        return queues

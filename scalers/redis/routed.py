"""A client of several servers that hold keys together: it asks the one that has the key, and follows when it moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any, Self

import structlog

from scaler.backoff import Backoff
from scaler.clients.outage import Outage
from scaler.ports.errors import SourceError, SourceUnavailable
from scalers.redis.client import ASKING, Command, RedisClient
from scalers.redis.errors import Asked, Moved, Redirected
from scalers.redis.servers import Cluster, Endpoint, Sentinels, shown
from scalers.redis.topology import ClusterTopology, Owners, SentinelTopology

log = structlog.get_logger(__name__)

# Looked for again after this time even when nothing says that an owner changed.
LOOK_EVERY_S = 10.0
_REDIRECTIONS = 5


class RoutedClient:
    """Has one `RedisClient` for each owner of keys that were asked for, and looks for the owners when in doubt.

    An owner that is lost is that client's outage; the others go on. While nobody tells the owners, those that were
    known stay.
    """

    def __init__(self, source: Cluster | Sentinels, tasks: asyncio.TaskGroup) -> None:
        self._source = source
        self._topology = ClusterTopology(source) if isinstance(source, Cluster) else SentinelTopology(source)
        self._template = source.seeds[0] if isinstance(source, Cluster) else source.anywhere
        self._tasks = tasks
        self._clients: dict[Endpoint, tuple[RedisClient, asyncio.Task[None]]] = {}
        self._owners: Owners | None = None
        self._outage = Outage(f"addresses of {source}")
        self._doubted = asyncio.Event()
        self._looked = asyncio.Event()
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def connect(cls, source: Cluster | Sentinels) -> AsyncIterator[Self]:
        """Make a client; it connects at first use."""
        async with asyncio.TaskGroup() as tasks:
            client = cls(source, tasks)
            running = [
                tasks.create_task(client._follow(), name=f"{source}: owners"),
                tasks.create_task(client._listen(), name=f"{source}: changes"),
                tasks.create_task(client._outage.watch(client._look), name=f"{source}: outage"),
            ]
            try:
                yield client
            finally:
                client._closed = True
                client._looked.set()
                for task in (*running, *(task for _, task in client._clients.values())):
                    task.cancel()

    async def submit(self, *command: str | int) -> Any:
        """Send a command to who has its key, with the next pipeline to that server, and return its raw reply.

        Raises:
            SourceUnavailable: That server is lost, nobody has the key now, or nobody says who has it.
            SourceRejected: It refused the command, or us.
        """
        endpoint, sent = await self._owner(_key_of(command)), command
        for _ in range(_REDIRECTIONS):
            try:
                return await self._client(endpoint).submit(*sent)
            except Redirected as redirected:
                host, port = redirected.endpoint
                endpoint = host or endpoint[0], port
                sent = (ASKING, *command) if isinstance(redirected, Asked) else command
                if isinstance(redirected, Moved):
                    self._doubted.set()
            except SourceUnavailable:
                self._doubted.set()
                raise
        raise SourceUnavailable(f"{self._source}: the nodes do not agree on who has a key")

    async def additions(self, key: str, kinds: str) -> AsyncGenerator[None, None]:
        """Yield whenever something may have been added to a key, as long as who has it notifies of such keys.

        Raises:
            SourceError: That server is lost, or nobody says who has the key.
        """
        owner = await self._owner(key)
        while True:
            try:
                async with aclosing(self._client(owner).additions(key, kinds)) as additions:
                    async for addition in additions:
                        yield addition
            except SourceUnavailable:
                self._doubted.set()
                raise
            if self._closed:
                return
            before, owner = owner, await self._owner(key)
            if owner == before:
                return

    async def _owner(self, key: str | int) -> Endpoint:
        if self._owners is None:
            self._doubted.set()
            await self._looked.wait()
        if self._closed:
            raise SourceUnavailable(f"{self._source}: the client was closed")
        if self._owners is None:
            self._outage.raise_if_lost()
        owner = self._owners.of(str(key).encode()) if self._owners is not None else None
        if owner is None:
            self._doubted.set()
            raise SourceUnavailable(f"{self._source}: no node serves the slot of the key")
        return owner

    def _client(self, endpoint: Endpoint) -> RedisClient:
        if endpoint not in self._clients:
            client = RedisClient(self._template.at(endpoint))
            self._clients[endpoint] = client, self._tasks.create_task(client.serve(), name=f"{client.server}")
        return self._clients[endpoint][0]

    async def _follow(self) -> None:
        await self._doubted.wait()
        backoff = Backoff(first_s=0.05, longest_s=1.0)
        while True:
            self._doubted.clear()
            before = self._owners
            with suppress(SourceError):
                # While nobody tells, the outage's own loop asks.
                self._outage.raise_if_lost()
                try:
                    await self._look()
                except SourceError as error:
                    self._outage.begin(error)
            self._looked.set()
            if self._owners != before:
                backoff.reset()
            # However many triggers doubt, the servers are asked seldom.
            await asyncio.sleep(backoff.next_delay())
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._doubted.wait()
            except TimeoutError:
                backoff.reset()

    async def _listen(self) -> None:
        await self._looked.wait()
        await self._topology.listen(self._doubted.set)

    async def _look(self) -> None:
        owners = await self._topology.look([client for client, _ in self._clients.values()])
        before, self._owners = self._owners, owners
        endpoints = owners.endpoints()
        if before is not None and set(before.endpoints()) != set(endpoints):
            log.info("servers_changed", source=str(self._source), servers=sorted(map(shown, endpoints)))
        for endpoint in self._clients.keys() - endpoints:
            self._clients.pop(endpoint)[1].cancel()
        for endpoint, (client, _) in self._clients.items():
            client.release(partial(_is_elsewhere, owners, endpoint))


def _is_elsewhere(owners: Owners, endpoint: Endpoint, key: bytes) -> bool:
    return owners.of(key) != endpoint


def _key_of(command: Command) -> str | int:
    """Return the key: what follows the name of the command, or of its subcommand."""
    return command[2] if command[0] == "XINFO" else command[1]

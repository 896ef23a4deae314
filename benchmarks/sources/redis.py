"""Redis under load: a list for each queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from redis import asyncio as aioredis

from benchmarks.sources.loaded import LoadedSource, Queues
from scaler.testing.servers.redis import RedisServer


class RedisQueues:
    """Lists, through one connection."""

    def __init__(self, client: aioredis.Redis) -> None:
        self._client = client

    async def put(self, number: int) -> None:
        """Push an item."""
        await self._client.rpush(f"jobs-{number}", "item")

    async def clear(self, number: int) -> None:
        """Delete the list."""
        await self._client.delete(f"jobs-{number}")


class LoadedRedis(LoadedSource):
    """Lists on one Redis."""

    name = "redis"

    def __init__(self, server: RedisServer) -> None:
        super().__init__(server)
        self._port = server.port

    @classmethod
    @contextmanager
    def running(cls, queues: int, *, pushing: bool = False) -> Iterator[LoadedSource]:  # noqa: ARG003
        """Start the server; an empty list is none."""
        with RedisServer.running(notifications="KEA" if pushing else "", keep_data=True) as server:
            yield cls(server)

    def trigger(self, number: int) -> Mapping[str, object]:
        """Return the trigger of a list."""
        metadata = {"address": f"127.0.0.1:{self._port}", "listName": f"jobs-{number}", "listLength": "5"}
        return {"type": "redis", "metadata": metadata}

    @asynccontextmanager
    async def queues(self) -> AsyncIterator[Queues]:
        """Lend a producer's client."""
        async with aioredis.Redis(host="127.0.0.1", port=self._port) as client:
            await client.ping()
            yield RedisQueues(client)

    async def read_alone(self, number: int, interval_s: float) -> None:
        """Read a list for ever with a client of its own."""
        async with aioredis.Redis(host="127.0.0.1", port=self._port) as client:
            while True:
                await client.llen(f"jobs-{number}")
                await asyncio.sleep(interval_s)

    async def connections(self) -> int:
        """Ask the server for its clients."""
        async with aioredis.Redis(host="127.0.0.1", port=self._port) as client:
            return len(await client.client_list()) - 1

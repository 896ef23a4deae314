"""Event sources under load: a server with many queues, how triggers name them, and a naive way to read them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Protocol

from redis import asyncio as aioredis

from scaler.testing.servers.redis import RedisServer


class Queues(Protocol):
    """What a producer and its consumers do to the queues of a source."""

    async def put(self, number: int) -> None:
        """Add an item to a queue."""
        ...

    async def clear(self, number: int) -> None:
        """Take all items out of a queue."""
        ...


class LoadedSource(ABC):
    """A real server that holds as many queues as there are triggers. It can be handed to another process."""

    name: str

    @classmethod
    @abstractmethod
    @contextmanager
    def running(cls, queues: int, *, pushing: bool = False) -> Iterator[LoadedSource]:
        """Start the server with that many queues, empty ones; if `pushing` one that tells of what comes, if it can."""
        raise NotImplementedError
        yield

    @abstractmethod
    def trigger(self, number: int) -> Mapping[str, object]:
        """Return the trigger of a queue, as a scale rule's `custom` has it."""

    @abstractmethod
    def queues(self) -> AbstractAsyncContextManager[Queues]:
        """Lend a producer's client."""

    @abstractmethod
    async def read_alone(self, number: int, interval_s: float) -> None:
        """Read a queue for ever with a client of its own: what a naive loop does."""

    @abstractmethod
    async def connections(self) -> int:
        """Return how many connections the server has, without the one that asks."""


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

    def __init__(self, port: int) -> None:
        self._port = port

    @classmethod
    @contextmanager
    def running(cls, queues: int, *, pushing: bool = False) -> Iterator[LoadedSource]:  # noqa: ARG003
        """Start the server; an empty list is none."""
        with RedisServer.running(notifications="KEA" if pushing else "") as server:
            yield cls(server.port)

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

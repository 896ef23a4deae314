"""RabbitMQ under load: a durable queue for each queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import aio_pika
import aiohttp
from aio_pika.abc import AbstractChannel

from benchmarks.sources.loaded import LoadedSource, Queues
from scaler.testing.servers.rabbitmq import RabbitMQServer

_DECLARES_AT_ONCE = 100


class RabbitMQQueues:
    """Queues, through one channel."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel

    async def put(self, number: int) -> None:
        """Publish a persistent message."""
        message = aio_pika.Message(b"item", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self._channel.default_exchange.publish(message, f"jobs-{number}")

    async def clear(self, number: int) -> None:
        """Purge the queue."""
        queue = await self._channel.get_queue(f"jobs-{number}", ensure=False)
        await queue.purge()


class LoadedRabbitMQ(LoadedSource):
    """Queues of one RabbitMQ."""

    name = "rabbitmq"

    def __init__(self, server: RabbitMQServer) -> None:
        super().__init__(server)
        self._url = server.amqp()
        self._management = f"http://127.0.0.1:{server.management_port}/api/connections"

    @classmethod
    @contextmanager
    def running(cls, queues: int, *, pushing: bool = False) -> Iterator[LoadedSource]:  # noqa: ARG003 - it cannot push
        """Start the broker and declare the queues."""
        with RabbitMQServer.running() as server:
            source = cls(server)
            asyncio.run(source._declare(queues))
            yield source

    async def _declare(self, queues: int) -> None:
        async with await aio_pika.connect(self._url) as connection, connection.channel() as channel:
            for first in range(0, queues, _DECLARES_AT_ONCE):
                numbers = range(first, min(queues, first + _DECLARES_AT_ONCE))
                await asyncio.gather(*(channel.declare_queue(f"jobs-{number}", durable=True) for number in numbers))

    def trigger(self, number: int) -> Mapping[str, object]:
        """Return the trigger of a queue."""
        return {"type": "rabbitmq", "metadata": {"host": self._url, "queueName": f"jobs-{number}", "queueLength": "5"}}

    @asynccontextmanager
    async def queues(self) -> AsyncIterator[Queues]:
        """Lend a producer's channel."""
        async with await aio_pika.connect(self._url) as connection, connection.channel() as channel:
            yield RabbitMQQueues(channel)

    async def read_alone(self, number: int, interval_s: float) -> None:
        """Ask for a queue for ever through a connection of its own."""
        async with await aio_pika.connect(self._url) as connection, connection.channel() as channel:
            while True:
                await channel.declare_queue(f"jobs-{number}", passive=True)
                await asyncio.sleep(interval_s)

    async def connections(self) -> int:
        """Ask the management API, whose statistics lag by some seconds."""
        async with (
            aiohttp.ClientSession(auth=aiohttp.BasicAuth("guest", "guest")) as session,
            session.get(self._management) as response,
        ):
            return len(await response.json())

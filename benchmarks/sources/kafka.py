"""Kafka under load: a topic and a consumer group for each queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from benchmarks.sources.loaded import LoadedSource, Queues
from scaler.testing.servers.kafka import KafkaServer
from scaler.testing.servers.kafka_records import KafkaRecords

_GROUPS_AT_ONCE = 20
# A server that has just started has no coordinators yet, of which the library writes a line each time.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class KafkaQueues:
    """Topics of one partition, each with a group that has read so far."""

    def __init__(self, producer: AIOKafkaProducer, records: KafkaRecords) -> None:
        self._producer = producer
        self._records = records

    async def put(self, number: int) -> None:
        """Append a record."""
        await self._producer.send_and_wait(f"jobs-{number}", b"item")

    async def clear(self, number: int) -> None:
        """Commit the end of the topic for its group."""
        ends = await self._records.ends(f"jobs-{number}")
        await self._records.commit(f"group-{number}", f"jobs-{number}", ends)


class LoadedKafka(LoadedSource):
    """Topics and groups of one Kafka."""

    name = "kafka"

    def __init__(self, server: KafkaServer) -> None:
        super().__init__(server)
        self._address = server.address
        self._port = server.port

    @classmethod
    @contextmanager
    def running(cls, queues: int, *, pushing: bool = False) -> Iterator[LoadedSource]:  # noqa: ARG003 - it always does
        """Start the server, create the topics and let every group commit their beginning."""
        with KafkaServer.running() as server:
            source = cls(server)
            asyncio.run(source._create(queues))
            yield source

    async def _create(self, queues: int) -> None:
        records = KafkaRecords(self._address)
        async with records.admin() as admin:
            await admin.create_topics([NewTopic(f"jobs-{number}", 1, 1) for number in range(queues)], timeout_ms=60_000)
        await records.create_topic("ready")
        for first in range(0, queues, _GROUPS_AT_ONCE):
            numbers = range(first, min(queues, first + _GROUPS_AT_ONCE))
            await asyncio.gather(*(records.commit(f"group-{n}", f"jobs-{n}", {0: 0}) for n in numbers))

    def trigger(self, number: int) -> Mapping[str, object]:
        """Return the trigger of a group."""
        metadata = {
            "bootstrapServers": self._address,
            "consumerGroup": f"group-{number}",
            "topic": f"jobs-{number}",
            "lagThreshold": "5",
            # Otherwise one partition means one replica.
            "allowIdleConsumers": "true",
        }
        return {"type": "kafka", "metadata": metadata}

    @asynccontextmanager
    async def queues(self) -> AsyncIterator[Queues]:
        """Lend a producer."""
        async with AIOKafkaProducer(bootstrap_servers=self._address) as producer:
            yield KafkaQueues(producer, KafkaRecords(self._address))

    async def read_alone(self, number: int, interval_s: float) -> None:
        """Ask for a group's lag for ever with a client of its own."""
        partition = TopicPartition(f"jobs-{number}", 0)
        options = {"group_id": f"group-{number}", "enable_auto_commit": False}
        async with AIOKafkaConsumer(bootstrap_servers=self._address, **options) as consumer:
            consumer.assign([partition])
            while True:
                await consumer.committed(partition)
                await consumer.end_offsets([partition])
                await asyncio.sleep(interval_s)

    async def connections(self) -> int:
        """Count the sockets to the broker; it has no list of its clients."""
        mine = psutil.Process().net_connections(kind="tcp")
        return sum(it.status == psutil.CONN_ESTABLISHED and it.raddr and it.raddr.port == self._port for it in mine)

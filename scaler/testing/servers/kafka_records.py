"""Whoever plays producer and consumer of a real Kafka: topics, records, committed offsets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

# A server that has just started takes a moment to elect leaders and coordinators.
_SETTLE_S = 60.0
_POLL_S = 0.05


class KafkaRecords:
    """Each call connects, acts and disconnects, so that nothing stays open between them."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def create_topic(
        self, name: str, *, partitions: int = 1, replicas: Mapping[int, list[int]] | None = None
    ) -> None:
        """Create a topic and wait until it has leaders.

        Args:
            name: Unless it exists, it is created.
            partitions: How many it has.
            replicas: Which brokers have which partition, instead of `partitions`; the first of each leads it.
        """
        new = NewTopic(name, -1, -1, dict(replicas)) if replicas else NewTopic(name, partitions, 1)
        partitions = len(replicas) if replicas else partitions
        async with self.admin() as admin:
            answer = await admin.create_topics([new])
            error = for_code(answer.topic_errors[0][1])
            if answer.topic_errors[0][1] and error is not TopicAlreadyExistsError:
                raise error(name)
        async with asyncio.timeout(_SETTLE_S):
            while len(await self.ends(name)) < partitions:  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(_POLL_S)

    async def delete_topic(self, name: str) -> None:
        """Delete a topic."""
        async with self.admin() as admin:
            await admin.delete_topics([name])

    async def topics(self) -> set[str]:
        """Return all that exist, internal ones included."""
        async with self.admin() as admin:
            return set(await admin.list_topics())

    async def produce(self, topic: str, records: int, *, partition: int = 0) -> None:
        """Append records, and wait until all copies have them: only then do they count as the end."""
        async with self._settled(AIOKafkaProducer, acks="all") as producer:
            for number in range(records):
                await producer.send(topic, b"record-%d" % number, partition=partition)
            await producer.flush()

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Commit offsets by partition, as a consumer that has read so far."""
        async with self._settled(AIOKafkaConsumer, group_id=group, enable_auto_commit=False) as consumer:
            partitions = {TopicPartition(topic, number): offset for number, offset in offsets.items()}
            consumer.assign(list(partitions))
            await consumer.commit(partitions)

    async def committed(self, group: str) -> dict[tuple[str, int], int]:
        """Return what a group has committed."""
        async with self.admin() as admin, asyncio.timeout(_SETTLE_S):
            found = None
            while found is None:
                with suppress(KafkaError):
                    found = await admin.list_consumer_group_offsets(group)
        return {(it.topic, it.partition): offset.offset for it, offset in found.items()}

    async def ends(self, topic: str) -> dict[int, int]:
        """Return the end of each partition of a topic; nothing when it does not exist."""
        async with self.admin() as admin:
            # All of them: asking for one by name would create it.
            found = [it["partitions"] for it in await admin.describe_topics() if it["topic"] == topic]
        if not found or any(partition["leader"] < 0 for partition in found[0]):
            return {}
        partitions = [TopicPartition(topic, it["partition"]) for it in found[0]]
        async with self._settled(AIOKafkaConsumer) as consumer:
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
        return {it.partition: offset for it, offset in ends.items()}

    async def set_lag(self, group: str, topic: str, records: int) -> None:
        """Make a group lag by that many records in the first partition, and in none of the others."""
        ends = await self.ends(topic)
        if (lacking := records - ends[0] + (await self.committed(group)).get((topic, 0), 0)) > 0:
            await self.produce(topic, lacking)
            ends[0] += lacking
        await self.commit(group, topic, {**ends, 0: ends[0] - records})

    async def lag(self, group: str, topic: str) -> int:
        """Return how many records a group has not committed."""
        committed = await self.committed(group)
        return sum(end - committed.get((topic, number), 0) for number, end in (await self.ends(topic)).items())

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """Lend an admin client."""
        admin = await self._started(lambda: AIOKafkaAdminClient(bootstrap_servers=self._address), "close")
        try:
            yield admin
        finally:
            await admin.close()

    @asynccontextmanager
    async def _settled(self, kind: Any, **options: Any) -> AsyncIterator[Any]:
        client = await self._started(lambda: kind(bootstrap_servers=self._address, **options), "stop")
        try:
            yield client
        finally:
            await client.stop()

    async def _started(self, make: Callable[[], Any], end: str) -> Any:
        async with asyncio.timeout(_SETTLE_S):
            while True:
                client = make()
                try:
                    await client.start()
                except (KafkaError, OSError):
                    await getattr(client, end)()
                    await asyncio.sleep(_POLL_S)
                else:
                    return client

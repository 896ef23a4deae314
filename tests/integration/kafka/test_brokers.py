"""A cluster of two brokers: each is asked for what it has, and one that is lost takes only its own along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceUnavailable
from scaler.testing.driving import DEADLINE_S, POLL_S, Wakeups, read, read_after_outage
from scaler.testing.leaks import no_leaks, until
from scaler.testing.servers.kafka import KafkaServer
from scaler.testing.servers.kafka_records import KafkaRecords
from scalers.kafka.kafka import KafkaScaler

pytestmark = pytest.mark.services

GROUP = "workers"
HERE, THERE, BOTH = "here", "there", "both"


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[KafkaServer, KafkaServer]]:
    with KafkaServer.running() as first:
        records = KafkaRecords(first.address)
        # The offsets' own topic is made now, on the first broker alone.
        await records.create_topic("warm-up")
        await records.commit(GROUP, "warm-up", {0: 0})
        with KafkaServer.running(joins=first) as second:
            for name, replicas in ((HERE, [1]), (THERE, [2]), (BOTH, [2, 1])):
                await records.create_topic(name, replicas={0: replicas})
                await records.set_lag(GROUP, name, 3)
            yield first, second


@asynccontextmanager
async def opened(first: KafkaServer, *topics: str) -> AsyncIterator[list[Any]]:
    async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                KafkaScaler.open(
                    KafkaScaler.Config.model_validate(
                        {"bootstrapServers": first.address, "consumerGroup": GROUP, "topic": topic}
                    ),
                    connections,
                )
            )
            for topic in topics
        ]


async def test_a_lost_broker_takes_only_its_own_partitions_along(cluster: tuple[KafkaServer, KafkaServer]) -> None:
    first, second = cluster
    records = KafkaRecords(first.address)
    async with opened(first, HERE, THERE, BOTH) as (here, there, both):
        for scaler in (here, there, both):
            assert (await read_after_outage(scaler)).value == 3
        async with Wakeups(both) as wakeups:
            await until(lambda: wakeups.count >= 1)
            second.kill()
            assert (await read(here)).value == 3
            with pytest.raises(SourceUnavailable):
                await there.read()
            # Its other copy takes over, and what waits at its end goes on without an error.
            assert (await read_after_outage(both)).value == 3
            before = wakeups.count
            async with asyncio.timeout(DEADLINE_S):
                while wakeups.count == before:
                    await records.produce(BOTH, 1)
                    await asyncio.sleep(POLL_S)
            assert (await read(here)).value == 3
            with pytest.raises(SourceUnavailable):
                await there.read()
        second.start()
        assert (await read_after_outage(there)).value == 3

"""What a reading is: several topics, limits, offsets that were never committed, and what does not exist."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from scaler.engine.connections import SharedConnections
from scaler.model import Reading
from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S, POLL_S, read
from scaler.testing.servers.kafka import KafkaServer
from scaler.testing.servers.kafka_records import KafkaRecords
from scalers.kafka.apache import ApacheKafkaScaler
from scalers.kafka.kafka import KafkaScaler

pytestmark = pytest.mark.services

NUMBERS = itertools.count()


@pytest.fixture
def topic() -> str:
    return f"jobs-{next(NUMBERS)}"


@pytest.fixture
def group() -> str:
    return f"workers-{next(NUMBERS)}"


@asynccontextmanager
async def opened(server: KafkaServer, group: str, scaler: Any = KafkaScaler, **parameters: str) -> AsyncIterator[Any]:
    config = scaler.Config.model_validate(
        {"bootstrapServers": server.address, "consumerGroup": group, "lagThreshold": "10", **parameters}
    )
    async with SharedConnections() as connections, scaler.open(config, connections) as it:
        yield it


async def reading(server: KafkaServer, group: str, scaler: Any = KafkaScaler, **parameters: str) -> Reading:
    async with opened(server, group, scaler, **parameters) as it:
        return await settled(it)


async def settled(scaler: Any) -> Reading:
    """Read, past the moment in which a new group or topic is settling."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await read(scaler)
            except SourceUnavailable:
                await asyncio.sleep(POLL_S)


async def rejected(scaler: Any) -> bool:
    try:
        await settled(scaler)
    except SourceRejected:
        return True
    return False


async def test_a_group_that_never_committed(server: KafkaServer, records: KafkaRecords, topic: str, group: str) -> None:
    await records.create_topic(topic, partitions=3)
    await records.produce(topic, 5, partition=1)
    policies = (("latest", 3), ("earliest", 5))
    for policy, lag in policies:
        assert await reading(server, group, topic=topic, offsetResetPolicy=policy) == Reading(value=lag, active=True)
        nothing = await reading(server, group, topic=topic, offsetResetPolicy=policy, scaleToZeroOnInvalidOffset="true")
        assert nothing == Reading(value=0, active=False)
    assert await reading(server, group) == Reading(value=0, active=False)


async def test_all_topics_of_a_group_count_without_a_topic(
    server: KafkaServer, records: KafkaRecords, topic: str, group: str
) -> None:
    for name, lag in ((topic, 4), (f"{topic}-b", 3)):
        await records.create_topic(name, partitions=2)
        await records.set_lag(group, name, lag)
    await records.create_topic(f"{topic}-of-others")
    await records.produce(f"{topic}-of-others", 9)
    for scaler in (KafkaScaler, ApacheKafkaScaler):
        assert (await reading(server, group, scaler)).value == 7
        assert (await reading(server, group, scaler, topic=topic)).value == 4
    assert (await reading(server, group, ApacheKafkaScaler, topic=f"{topic},{topic}-b")).value == 7


async def test_only_the_partitions_that_a_trigger_names_count(
    server: KafkaServer, records: KafkaRecords, topic: str, group: str
) -> None:
    await records.create_topic(topic, partitions=4)
    for partition in range(4):
        await records.produce(topic, partition + 1, partition=partition)
    await records.commit(group, topic, dict.fromkeys(range(4), 0))
    assert (await reading(server, group, topic=topic, partitionLimitation="0,2-3")).value == 1 + 3 + 4
    assert (await reading(server, group, topic=topic)).value == 10


async def test_the_value_is_capped_by_partitions_and_activity_is_not(
    server: KafkaServer, records: KafkaRecords, topic: str, group: str
) -> None:
    await records.create_topic(topic, partitions=2)
    await records.set_lag(group, topic, 50)
    cases = (
        ({}, 20),
        ({"allowIdleConsumers": "true"}, 50),
        ({"limitToPartitionsWithLag": "true"}, 10),
        ({"ensureEvenDistributionOfPartitions": "true"}, 20),
    )
    for parameters, value in cases:
        found = await reading(server, group, topic=topic, activationLagThreshold="49", **parameters)
        assert found == Reading(value=value, active=True)
    assert not (await reading(server, group, topic=topic, activationLagThreshold="50")).active


async def test_persistent_lag_counts_for_activity_only_until_the_group_moves_on(
    server: KafkaServer, records: KafkaRecords, topic: str, group: str
) -> None:
    await records.create_topic(topic)
    await records.set_lag(group, topic, 8)
    async with opened(server, group, topic=topic, excludePersistentLag="true") as scaler:
        assert await settled(scaler) == Reading(value=8, active=True)
        assert await settled(scaler) == Reading(value=0, active=True)
        await records.commit(group, topic, {0: 3})
        assert await settled(scaler) == Reading(value=5, active=True)
        assert await settled(scaler) == Reading(value=0, active=True)
        await records.commit(group, topic, {0: 8})
        assert await settled(scaler) == Reading(value=0, active=False)


async def test_a_topic_that_comes_and_goes(server: KafkaServer, records: KafkaRecords, topic: str, group: str) -> None:
    async with opened(server, group, topic=topic, offsetResetPolicy="earliest") as scaler:
        for _ in range(2):
            with pytest.raises(SourceRejected, match=topic):
                await settled(scaler)
        assert topic not in await records.topics()
        await records.create_topic(topic)
        await records.produce(topic, 2)
        assert (await settled(scaler)).value == 2
        await records.delete_topic(topic)
        async with asyncio.timeout(DEADLINE_S):
            while not await rejected(scaler):
                await asyncio.sleep(POLL_S)


async def test_a_missing_topic_does_not_disturb_others_and_reading_leaves_no_trace(
    server: KafkaServer, records: KafkaRecords, topic: str, group: str
) -> None:
    await records.create_topic(topic)
    await records.set_lag(group, topic, 3)
    topics, committed = await records.topics(), await records.committed(group)
    parameters = {"bootstrapServers": server.address, "consumerGroup": group}
    async with SharedConnections() as connections:
        good, bad, other = (
            KafkaScaler.Config.model_validate({**parameters, **given})
            for given in (
                {"topic": topic},
                {"topic": f"{topic}-missing"},
                {"topic": topic, "consumerGroup": f"{group}-missing"},
            )
        )
        async with (
            KafkaScaler.open(good, connections) as scaler,
            KafkaScaler.open(bad, connections) as broken,
            KafkaScaler.open(other, connections) as fresh,
            asyncio.TaskGroup() as tasks,
        ):
            reads = tasks.create_task(settled(scaler)), tasks.create_task(settled(fresh))
            with pytest.raises(SourceRejected):
                await settled(broken)
        assert [task.result().value for task in reads] == [3, 1]
    assert await records.topics() == topics
    assert await records.committed(group) == committed
    async with records.admin() as admin:
        groups = {name for name, *_ in await admin.list_consumer_groups()}
    assert f"{group}-missing" not in groups

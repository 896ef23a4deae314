"""A broker that is killed, frozen or slow to come back: one line a loss, and everything goes on by itself."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S, Wakeups, read_after_outage
from scaler.testing.leaks import no_leaks, until
from scaler.testing.servers.kafka import KafkaServer
from scaler.testing.servers.kafka_records import KafkaRecords
from scalers.kafka.kafka import KafkaScaler

pytestmark = pytest.mark.services

NUMBERS = itertools.count()
GROUP = "workers"


@pytest.fixture
async def topic(records: KafkaRecords) -> str:
    name = f"jobs-{next(NUMBERS)}"
    await records.create_topic(name)
    await records.set_lag(GROUP, name, 4)
    return name


@asynccontextmanager
async def opened(server: KafkaServer, topic: str, count: int = 1) -> AsyncIterator[list[Any]]:
    config = KafkaScaler.Config.model_validate(
        {"bootstrapServers": f"127.0.0.1:9,{server.address}", "consumerGroup": GROUP, "topic": topic}
    )
    async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
        yield [await stack.enter_async_context(KafkaScaler.open(config, connections)) for _ in range(count)]


async def fails(scaler: Any) -> bool:
    try:
        await scaler.read()
    except SourceUnavailable:
        return True
    return False


async def test_an_outage_is_one_line_and_its_end_another(
    server: KafkaServer, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as logs:
        async with opened(server, topic, 20) as scalers:
            for scaler in scalers:
                assert (await read_after_outage(scaler)).value == 4
            logs.clear()
            server.kill()
            async with asyncio.TaskGroup() as tasks:
                reads = [tasks.create_task(fails(scaler)) for scaler in scalers * 3]
            assert all(it.result() for it in reads)
            assert await fails(scalers[0])
            server.start()
            for scaler in scalers:
                assert (await read_after_outage(scaler)).value == 4
    assert [it["event"] for it in logs] == ["source_lost", "source_returned"]
    assert not [it for it in caplog.records if it.name.startswith("aiokafka") and it.levelno > logging.DEBUG]


async def test_a_broker_that_was_killed_between_readings_costs_nothing(
    server: KafkaServer, records: KafkaRecords, topic: str
) -> None:
    with capture_logs() as logs:
        async with opened(server, topic) as (scaler,):
            assert (await read_after_outage(scaler)).value == 4
            logs.clear()
            server.kill()
            server.start()
            # Its first answers take long on a busy machine. The coordinator may still be loading; that is no loss.
            await records.ends(topic)
            assert (await read_after_outage(scaler)).value == 4
    assert not logs


async def test_a_frozen_broker_is_lost_and_returns(server: KafkaServer, topic: str) -> None:
    async with opened(server, topic) as (scaler,):
        assert (await read_after_outage(scaler)).value == 4
        server.freeze()
        try:
            async with asyncio.timeout(DEADLINE_S * 2):
                assert await fails(scaler)
        finally:
            server.thaw()
        assert (await read_after_outage(scaler)).value == 4


async def test_waiting_for_records_goes_on_after_a_broker_was_away(
    server: KafkaServer, records: KafkaRecords, topic: str
) -> None:
    async with opened(server, topic) as (scaler,):
        for _ in range(3):
            async with Wakeups(scaler) as wakeups:
                await until(lambda: wakeups.count >= 1)
                before = wakeups.count
                await records.produce(topic, 1)
                await until(lambda: wakeups.count > before)  # noqa: B023
                server.kill()
                with pytest.raises(SourceError):
                    async with asyncio.timeout(DEADLINE_S):
                        await wakeups.ended()
            server.start()
            await read_after_outage(scaler)


async def test_waiting_at_a_topic_that_is_missing_is_rejected_and_leaves_the_others(
    server: KafkaServer, records: KafkaRecords, topic: str
) -> None:
    parameters = {"bootstrapServers": server.address, "consumerGroup": GROUP}
    async with no_leaks(), SharedConnections() as connections:
        good, bad = (
            KafkaScaler.Config.model_validate({**parameters, "topic": name}) for name in (topic, f"{topic}-missing")
        )
        async with (
            KafkaScaler.open(good, connections) as scaler,
            KafkaScaler.open(bad, connections) as broken,
            Wakeups(scaler) as wakeups,
        ):
            await until(lambda: wakeups.count >= 1)
            async with Wakeups(broken) as none, asyncio.timeout(DEADLINE_S):
                with pytest.raises(SourceRejected):
                    await none.ended()
            before = wakeups.count
            await records.produce(topic, 1)
            await until(lambda: wakeups.count > before)


async def test_a_watched_topic_that_is_made_anew_wakes_again(
    server: KafkaServer, records: KafkaRecords, topic: str
) -> None:
    async with opened(server, topic) as (scaler,):
        async with Wakeups(scaler) as wakeups:
            await until(lambda: wakeups.count >= 1)
            await records.delete_topic(topic)
            with pytest.raises(SourceRejected):
                async with asyncio.timeout(DEADLINE_S):
                    await wakeups.ended()
        await records.create_topic(topic)
        async with Wakeups(scaler) as wakeups:
            await until(lambda: wakeups.count >= 1)
            before = wakeups.count
            await records.produce(topic, 1)
            await until(lambda: wakeups.count > before)

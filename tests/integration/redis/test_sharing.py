"""Many triggers on one server: one connection, one pipeline a tick, no disturbance of one by another."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceError, SourceRejected
from scaler.testing.driving import read
from scaler.testing.leaks import no_leaks
from scaler.testing.servers.redis import RedisServer
from scalers.redis.lists import RedisListScaler

pytestmark = pytest.mark.services

TRIGGERS = 500


async def outcome(scaler: RedisListScaler) -> float | SourceError | None:
    try:
        return (await read(scaler)).value
    except SourceError as error:
        return error


async def tick(scalers: list[RedisListScaler]) -> list[float | SourceError | None]:
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(outcome(scaler)) for scaler in scalers]
    return [each.result() for each in reads]


async def open_all(stack: AsyncExitStack, connections: SharedConnections, server: RedisServer) -> list[RedisListScaler]:
    return [
        await stack.enter_async_context(
            RedisListScaler.open(
                RedisListScaler.Config.model_validate({"address": server.address, "listName": f"jobs-{n}"}), connections
            )
        )
        for n in range(TRIGGERS)
    ]


async def test_500_triggers_are_one_connection_and_few_writes_a_tick(server: RedisServer, producer: Any) -> None:
    for n in range(TRIGGERS):
        producer.rpush(f"jobs-{n}", *range(n % 5 + 1))
    opened: list[int] = []
    async with (
        no_leaks(),
        SharedConnections(lambda _kind, count: opened.append(count)) as connections,
        AsyncExitStack() as stack,
    ):
        scalers = await open_all(stack, connections, server)
        await tick(scalers)
        producer.config_resetstat()
        values = await tick(scalers)
        assert values == [n % 5 + 1 for n in range(TRIGGERS)]
        assert producer.info("commandstats")["cmdstat_llen"]["calls"] == TRIGGERS
        # The server reads 16 kB at a time; without batching these would be 500.
        assert producer.info("stats")["total_reads_processed"] <= 10
        clients = [client for client in producer.client_list() if client["cmd"] == "llen"]
        assert len(clients) == 1
        assert producer.info("stats")["total_connections_received"] == 0
    assert opened == [1, 0]


async def test_a_refusal_of_one_does_not_disturb_the_others(server: RedisServer, producer: Any) -> None:
    producer.set("jobs-7", "not a list")
    async with SharedConnections() as connections, AsyncExitStack() as stack:
        values = await tick(await open_all(stack, connections, server))
    assert isinstance(values[7], SourceRejected)
    assert all(value == 0 for n, value in enumerate(values) if n != 7)


async def test_cancelled_readers_do_not_disturb_the_others(server: RedisServer) -> None:
    async with SharedConnections() as connections, AsyncExitStack() as stack:
        scalers = await open_all(stack, connections, server)
        async with asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(scaler.read()) for scaler in scalers]
            await asyncio.sleep(0)
            for each in reads[::2]:
                each.cancel()
        assert all(each.cancelled() for each in reads[::2])
        assert all(each.result().value == 0 for each in reads[1::2])


async def test_other_databases_and_credentials_have_connections_of_their_own(server: RedisServer) -> None:
    opened: list[int] = []
    base = {"address": server.address, "listName": "jobs"}
    async with (
        SharedConnections(lambda _kind, count: opened.append(count)) as connections,
        AsyncExitStack() as stack,
    ):
        for parameters in (base, {**base, "databaseIndex": "1"}, {**base, "password": "x"}, base):
            config = RedisListScaler.Config.model_validate(parameters)
            await stack.enter_async_context(RedisListScaler.open(config, connections))
        await asyncio.sleep(0)
        assert max(opened) == 3

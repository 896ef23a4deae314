"""Many triggers on one broker: one connection, few requests, no disturbance of one by another."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psutil
import pytest

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceError, SourceRejected
from scaler.testing.driving import read
from scaler.testing.leaks import no_leaks, until
from scaler.testing.polling import eventually
from scaler.testing.servers.rabbitmq import RabbitMQServer
from scalers.rabbitmq.api import management_server
from scalers.rabbitmq.errors import NoSuchQueue
from scalers.rabbitmq.management import ManagementClient
from scalers.rabbitmq.queues import RabbitMQScaler
from scalers.rabbitmq.vhost_queues import Vhost

pytestmark = pytest.mark.services

SECRET = "sesame"  # noqa: S105 - of this test
TRIGGERS = 500
QUEUES = 100
BOTH = pytest.mark.parametrize("protocol", ["amqp", "http"])


@pytest.fixture(scope="module", autouse=True)
def _queues(server: RabbitMQServer) -> None:
    for number in range(QUEUES):
        server.declare(f"jobs-{number}")
        server.publish(f"jobs-{number}", number % 3)
    eventually(
        lambda: [server.messages(f"jobs-{number}") for number in range(QUEUES)] == [n % 3 for n in range(QUEUES)],
        what="the statistics show the messages",
    )


async def outcome(scaler: Any) -> float | SourceError | None:
    try:
        return (await read(scaler)).value
    except SourceError as error:
        return error


async def tick(scalers: list[RabbitMQScaler]) -> list[float | SourceError | None]:
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(outcome(scaler)) for scaler in scalers]
    return [each.result() for each in reads]


@asynccontextmanager
async def opened_all(host: str, queues: list[str]) -> AsyncIterator[list[RabbitMQScaler]]:
    async with SharedConnections() as connections, AsyncExitStack() as stack:
        configs = [RabbitMQScaler.Config.model_validate({"host": host, "queueName": queue}) for queue in queues]
        yield [await stack.enter_async_context(RabbitMQScaler.open(config, connections)) for config in configs]


def connections_to(*ports: int) -> int:
    return sum(1 for found in psutil.Process().net_connections("tcp") if found.raddr and found.raddr.port in ports)


async def test_500_amqp_triggers_are_one_connection_and_one_channel_at_the_broker(server: RabbitMQServer) -> None:
    queues = [f"jobs-{number % QUEUES}" for number in range(TRIGGERS)]
    async with no_leaks(), opened_all(server.amqp(), queues) as scalers:
        for _ in range(3):
            assert await tick(scalers) == [number % QUEUES % 3 for number in range(TRIGGERS)]
        assert connections_to(server.port) == 1
        # It shows late, and others that have been closed for a while yet.
        await asyncio.to_thread(
            eventually,
            lambda: [it["channels"] for it in server.call("GET", "connections")] == [1],
            what="the broker shows one connection with one channel",
        )
    assert connections_to(server.port) == 0


async def test_500_http_triggers_are_few_connections(server: RabbitMQServer) -> None:
    queues = [f"jobs-{number % QUEUES}" for number in range(TRIGGERS)]
    async with no_leaks(), opened_all(server.http(), queues) as scalers:
        for _ in range(3):
            assert await tick(scalers) == [number % QUEUES % 3 for number in range(TRIGGERS)]
        assert connections_to(server.management_port) <= 4


@BOTH
async def test_missing_queues_do_not_disturb_the_others(server: RabbitMQServer, protocol: str) -> None:
    queues = [f"jobs-{number}" if number % 4 else f"missing-{number}" for number in range(QUEUES)]
    async with no_leaks(), opened_all(getattr(server, protocol)(), queues) as scalers:
        for _ in range(3):
            for number, value in enumerate(await tick(scalers)):
                if number % 4:
                    assert value == number % 3
                else:
                    assert isinstance(value, NoSuchQueue)


@BOTH
async def test_queues_deleted_while_read_do_not_disturb_the_others(server: RabbitMQServer, protocol: str) -> None:
    victims = [f"victim-{protocol}-{number}" for number in range(3)]
    for victim in victims:
        server.declare(victim)
    queues = [f"jobs-{number}" for number in range(20)]
    queues[3:3], queues[10:10], queues[15:15] = ([victim] for victim in victims)
    others = [number for number, queue in enumerate(queues) if queue not in victims]
    async with opened_all(getattr(server, protocol)(), queues) as scalers:
        await tick(scalers)
        for victim in victims:
            server.delete(victim)
        async with asyncio.timeout(60):
            while True:
                values = await tick(scalers)
                assert [values[number] for number in others] == [number % 3 for number in range(20)]
                if all(isinstance(values[queues.index(victim)], NoSuchQueue) for victim in victims):
                    break


@BOTH
async def test_cancelled_readers_do_not_disturb_the_others(server: RabbitMQServer, protocol: str) -> None:
    async with opened_all(getattr(server, protocol)(), [f"jobs-{number}" for number in range(50)]) as scalers:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(scaler.read()) for scaler in scalers]
            await asyncio.sleep(0)
            for each in reads[::2]:
                each.cancel()
        assert all(each.cancelled() for each in reads[::2])
        assert [each.result().value for each in reads[1::2]] == [number % 3 for number in range(50)][1::2]


async def test_a_virtual_host_that_the_user_may_not_use_does_not_disturb_another(server: RabbitMQServer) -> None:
    server.add_vhost("closed")
    server.add_user("guarded", SECRET, tags="management")
    async with SharedConnections() as connections, AsyncExitStack() as stack:
        theirs, ours = [
            await stack.enter_async_context(
                RabbitMQScaler.open(
                    RabbitMQScaler.Config.model_validate(
                        {"host": server.http("guarded", SECRET, vhost), "queueName": "jobs-1"}
                    ),
                    connections,
                )
            )
            for vhost in ("closed", "/")
        ]
        for _ in range(5):
            with pytest.raises(SourceRejected):
                await theirs.read()
            assert (await ours.read()).value == 1


async def test_what_is_known_of_a_virtual_host_goes_with_its_last_trigger(server: RabbitMQServer) -> None:
    config = RabbitMQScaler.Config.model_validate({"host": server.http(), "queueName": "jobs-1"})
    async with ManagementClient.connect(management_server(config.address(), None)) as client:
        queues = client.queues(Vhost("", "/", 3.0))
        assert client.queues(Vhost("", "/", 3.0)) is queues
        assert (await queues.queue("jobs-1")).messages == 1
        kept = weakref.ref(queues)
        del queues
        await until(lambda: kept() is None)

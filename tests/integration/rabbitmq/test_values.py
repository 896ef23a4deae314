"""What the scaler reports of queues of a real broker: modes, patterns, virtual hosts, unacknowledged messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest

from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S, POLL_S, read, read_after_outage
from scaler.testing.polling import eventually
from scaler.testing.servers.rabbitmq import RabbitMQServer
from scalers.rabbitmq.errors import NoSuchQueue

pytestmark = pytest.mark.services


@asynccontextmanager
async def client(server: RabbitMQServer) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    async with await aio_pika.connect(server.amqp()) as connection, connection.channel() as channel:
        yield channel


async def until(scaler: Any, condition: Callable[[Any], bool]) -> Any:
    """Read until the statistics, which lag, show it."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                reading = await scaler.read()
            except SourceUnavailable:
                reading = None
            if reading is not None and condition(reading):
                return reading
            await asyncio.sleep(POLL_S)


def fill(server: RabbitMQServer, queue: str, items: int, *, vhost: str = "/") -> None:
    server.declare(queue, vhost=vhost)
    server.publish(queue, items, vhost=vhost)
    eventually(lambda: server.messages(queue, vhost=vhost) == items, what="the statistics show the messages")


async def test_unacknowledged_messages_count_unless_excluded_and_never_over_amqp(
    server: RabbitMQServer, opened: Any
) -> None:
    fill(server, "unacknowledged", 5)
    async with client(server) as channel:
        queue = await channel.get_queue("unacknowledged")
        taken = [await queue.get() for _ in range(2)]
        eventually(
            lambda: server.call("GET", "queues", "/", "unacknowledged")["messages_unacknowledged"] == 2,
            what="the statistics show the unacknowledged messages",
        )
        async with opened(host=server.http(), queueName="unacknowledged") as scaler:
            assert (await read(scaler)).value == 5
        async with opened(host=server.http(), queueName="unacknowledged", excludeUnacknowledged="true") as scaler:
            assert (await read(scaler)).value == 3
        async with opened(host=server.amqp(), queueName="unacknowledged") as scaler:
            assert (await read(scaler)).value == 3
        for message in taken:
            await message.nack()


async def test_rates_of_messages_that_come_and_go(server: RabbitMQServer, opened: Any) -> None:
    server.declare("rates")
    parameters = {"host": server.http(), "queueName": "rates", "value": "10"}
    async with (
        client(server) as channel,
        opened(**parameters, mode="MessageRate") as come,
        opened(**parameters, mode="DeliverGetRate") as go,
        opened(**parameters, mode="PublishedToDeliveredRatio", activationValue="7") as ratio,
        opened(**parameters, mode="ExpectedQueueConsumptionTime", activationValue="7") as time_left,
        asyncio.TaskGroup() as tasks,
    ):

        async def publish() -> None:
            while True:
                await channel.default_exchange.publish(aio_pika.Message(b"x"), "rates")
                await asyncio.sleep(0.01)

        publishing = tasks.create_task(publish())
        assert (await until(come, lambda reading: reading.value > 1)).active
        assert not (await until(go, lambda reading: reading.value == 0)).active
        # Nobody takes any: no ratio and no time can be told, and there is work.
        for scaler in (ratio, time_left):
            stuck = await until(scaler, lambda reading: reading.active)
            assert stuck.value == 7
        queue = await channel.get_queue("rates")

        async def consume(_: object) -> None:
            pass

        consumer = await queue.consume(consume, no_ack=True)
        assert (await until(go, lambda reading: reading.value > 1)).active
        assert 0 < (await until(ratio, lambda reading: reading.value != 7)).value < 50
        publishing.cancel()
        await queue.cancel(consumer)
    async with opened(**parameters, mode="MessageRate") as come:
        server.purge("rates")
        assert (await until(come, lambda reading: reading.value == 0 and not reading.active)).value == 0


@pytest.mark.parametrize(("operation", "value"), [("sum", 9), ("avg", 3), ("max", 6)])
async def test_queues_that_match_a_pattern_are_one(
    server: RabbitMQServer, opened: Any, operation: str, value: int
) -> None:
    if server.messages("orders-3") is None:
        for number, items in enumerate((1, 2, 6), 1):
            fill(server, f"orders-{number}", items)
        fill(server, "returns", 4)
    parameters = {"host": server.http(), "queueName": "^orders-.*$", "useRegex": "true", "operation": operation}
    async with opened(**parameters) as scaler:
        assert (await read(scaler)).value == value


async def test_a_pattern_that_matches_nothing_is_zero_and_one_that_is_none_is_rejected(
    server: RabbitMQServer, opened: Any
) -> None:
    async with opened(host=server.http(), queueName="^nothing-.*$", useRegex="true") as scaler:
        reading = await read(scaler)
        assert (reading.value, reading.active) == (0, False)
    async with opened(host=server.http(), queueName="(", useRegex="true") as scaler:
        with pytest.raises(SourceRejected, match="no regular expression"):
            await read(scaler)


async def test_more_matches_than_a_page_holds_are_rejected_rather_than_cut(server: RabbitMQServer, opened: Any) -> None:
    for number in range(4):
        server.declare(f"page-{number}")
    parameters = {"host": server.http(), "queueName": "^page-", "useRegex": "true"}
    async with opened(**parameters, pageSize="4") as scaler:
        assert (await read_after_outage(scaler)).value == 0
    async with opened(**parameters, pageSize="3") as scaler:
        with pytest.raises(SourceRejected, match="4 queues match; pageSize allows 3"):
            await read(scaler)


@pytest.mark.parametrize("vhost", ["orders", "/orders", "a/b%c d"])
async def test_virtual_hosts_in_the_path_and_by_name(server: RabbitMQServer, opened: Any, vhost: str) -> None:
    server.add_vhost(vhost)
    fill(server, "jobs", 3, vhost=vhost)
    for url in (server.amqp, server.http):
        async with opened(host=url(vhost=vhost), queueName="jobs") as scaler:
            assert (await read(scaler)).value == 3
        async with opened(host=url(), vhostName=vhost, queueName="jobs") as scaler:
            assert (await read(scaler)).value == 3


@pytest.mark.parametrize("queue", ["jöbs", "a/b c%2F+?&#", "x" * 255, "{curly}|$"])
async def test_names_of_any_kind(server: RabbitMQServer, opened: Any, queue: str) -> None:
    fill(server, queue, 2)
    for url in (server.amqp(), server.http()):
        async with opened(host=url, queueName=queue) as scaler:
            # The second time over AMQP it is asked for with the others.
            assert [(await read(scaler)).value for _ in range(2)] == [2, 2]


async def test_quorum_queues_and_streams_are_read_over_both(server: RabbitMQServer, opened: Any) -> None:
    for kind in ("quorum", "stream"):
        server.declare(kind, arguments={"x-queue-type": kind})
        for url in (server.amqp(), server.http()):
            async with opened(host=url, queueName=kind) as scaler:
                assert (await until(scaler, lambda reading: reading.value is not None)).value == 0


@pytest.mark.parametrize("protocol", ["amqp", "http"])
async def test_a_queue_that_is_made_and_deleted_is_noticed(server: RabbitMQServer, opened: Any, protocol: str) -> None:
    queue = f"comes-and-goes-{protocol}"
    async with opened(host=getattr(server, protocol)(), queueName=queue) as scaler:
        with pytest.raises(NoSuchQueue, match=queue):
            await read(scaler)
        server.declare(queue)
        async with asyncio.timeout(DEADLINE_S):
            while (reading := await value_or_none(scaler)) is None:
                await asyncio.sleep(POLL_S)
        assert reading == 0
        server.delete(queue)
        async with asyncio.timeout(DEADLINE_S):
            while await value_or_none(scaler) is not None:
                await asyncio.sleep(POLL_S)


async def value_or_none(scaler: Any) -> float | None:
    try:
        return (await read(scaler)).value
    except (NoSuchQueue, SourceUnavailable):
        return None


async def test_a_queue_that_is_another_connection_s_own_is_rejected(server: RabbitMQServer, opened: Any) -> None:
    async with client(server) as channel:
        await channel.declare_queue("exclusive", exclusive=True)
        async with opened(host=server.amqp(), queueName="exclusive") as scaler:
            with pytest.raises(SourceRejected, match="RESOURCE_LOCKED"):
                await read(scaler)


async def test_reading_makes_nothing_at_the_broker(server: RabbitMQServer, opened: Any) -> None:
    fill(server, "untouched", 2)
    before = {queue["name"] for queue in server.call("GET", "queues")}
    for url in (server.amqp(), server.http()):
        async with opened(host=url, queueName="untouched") as scaler:
            for _ in range(5):
                await read(scaler)
    assert {queue["name"] for queue in server.call("GET", "queues")} == before
    assert server.call("GET", "queues", "/", "untouched")["messages_unacknowledged"] == 0

"""A broker that goes, hangs, or is no broker: reads say so at once, in two lines of log, and work once it is back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceError, SourceUnavailable
from scaler.testing.driving import DEADLINE_S, POLL_S, read, read_after_outage
from scaler.testing.leaks import no_leaks
from scaler.testing.polling import eventually
from scaler.testing.servers.rabbitmq import RabbitMQServer
from scalers.rabbitmq.queues import RabbitMQScaler

pytestmark = pytest.mark.services

BOTH = pytest.mark.parametrize("protocol", ["amqp", "http"])


@pytest.fixture(autouse=True)
def _queue(server: RabbitMQServer) -> None:
    server.declare("jobs")
    eventually(lambda: server.messages("jobs") == 0, what="the statistics have the queue")


@asynccontextmanager
async def opened(host: str, **parameters: str) -> AsyncIterator[Any]:
    config = RabbitMQScaler.Config.model_validate({"host": host, "queueName": "jobs"} | parameters)
    async with (
        no_leaks(),
        SharedConnections() as connections,
        RabbitMQScaler.open(config, connections) as scaler,
    ):
        yield scaler


@BOTH
async def test_a_killed_broker_is_two_lines_of_log_however_often_it_is_read(
    server: RabbitMQServer, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with capture_logs() as lines:
        async with opened(getattr(server, protocol)()) as scaler:
            await read(scaler)
            server.kill()
            # Connecting to a port that nobody listens on fails at once; with a wait each it were minutes.
            async with asyncio.timeout(DEADLINE_S):
                for _ in range(40):
                    with pytest.raises(SourceUnavailable):
                        await scaler.read()
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(server.start)
            # A broker that was killed may have forgotten what it was told within the last seconds.
            server.declare("jobs")
            eventually(lambda: server.messages("jobs") == 0, what="the statistics have the queue")
            assert (await read_after_outage(scaler)).value == 0
    assert [line["event"] for line in lines] == ["source_lost", "source_returned"]
    assert caplog.records == []


@pytest.mark.parametrize("pattern", [{}, {"queueName": "^kept", "useRegex": "true"}], ids=["one", "pattern"])
async def test_queues_of_a_broker_that_just_started_are_unknown_rather_than_empty(
    server: RabbitMQServer, pattern: dict[str, str]
) -> None:
    server.declare("kept")
    server.purge("kept")
    server.publish("kept", 3)
    eventually(lambda: server.messages("kept") == 3, what="the statistics show the messages")
    seen = set()
    async with opened(server.http(), **({"queueName": "kept"} | pattern)) as scaler:
        await read(scaler)
        await asyncio.to_thread(server.stop)
        starting = asyncio.create_task(asyncio.to_thread(server.start))
        while not starting.done() or server.messages("kept") != 3:
            with contextlib.suppress(SourceError):
                seen.add((await scaler.read()).value)
            await asyncio.sleep(POLL_S)
        await starting
    assert seen <= {3}


@BOTH
async def test_a_frozen_broker_is_noticed_and_found_again(server: RabbitMQServer, protocol: str) -> None:
    async with opened(getattr(server, protocol)()) as scaler:
        await read(scaler)
        server.freeze()
        try:
            # The engine's deadline comes first ...
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await scaler.read()
            # ... and the client's own makes reads fail at once from then on; with a wait each it were minutes.
            async with asyncio.timeout(DEADLINE_S):
                for _ in range(40):
                    with pytest.raises(SourceUnavailable):
                        await scaler.read()
        finally:
            server.thaw()
        assert (await read_after_outage(scaler)).value == 0


@BOTH
async def test_closing_while_the_broker_is_frozen_leaves_nothing(server: RabbitMQServer, protocol: str) -> None:
    try:
        async with asyncio.timeout(2 * DEADLINE_S):
            async with opened(getattr(server, protocol)()) as scaler:
                await read(scaler)
                server.freeze()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await scaler.read()
    finally:
        server.thaw()


async def test_a_connection_that_the_broker_closed_while_idle_is_no_outage(server: RabbitMQServer) -> None:
    async with opened(server.amqp()) as scaler:
        await read(scaler)
        with capture_logs() as lines:
            await asyncio.to_thread(server.control, "close_all_connections", "test")
            assert (await read(scaler)).value == 0
        assert lines == []


async def test_an_alarm_that_blocks_publishers_does_not_block_reading(server: RabbitMQServer) -> None:
    async with opened(server.amqp()) as scaler:
        await read(scaler)
        await asyncio.to_thread(server.control, "set_vm_memory_high_watermark", "0")
        try:
            assert (await read(scaler)).value == 0
            async with opened(server.amqp()) as late:
                assert (await read(late)).value == 0
        finally:
            await asyncio.to_thread(server.control, "set_vm_memory_high_watermark", "0.4")


@pytest.mark.parametrize(
    "greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"AMQP\x00\x01\x00\x00", b"\x16\x03\x01"]
)
@BOTH
async def test_a_server_that_is_no_broker_is_an_error_and_breaks_nothing(protocol: str, greeting: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as impostor:
        port = impostor.sockets[0].getsockname()[1]
        config = {"host": f"{protocol}://guest:guest@127.0.0.1:{port}", "queueName": "jobs"}
        async with (
            SharedConnections() as connections,
            RabbitMQScaler.open(RabbitMQScaler.Config.model_validate(config), connections) as scaler,
        ):
            for _ in range(5):
                with pytest.raises(SourceError):
                    await scaler.read()
                await asyncio.sleep(0.05)


async def test_a_queue_that_hangs_takes_only_itself_along(server: RabbitMQServer) -> None:
    server.declare("hangs")
    suspended = (
        '[{ok, Q}] = [rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"hangs">>))], sys:%s(amqqueue:get_pid(Q)).'
    )
    configs = [
        RabbitMQScaler.Config.model_validate({"host": server.amqp(), "queueName": name}) for name in ("hangs", "jobs")
    ]
    async with SharedConnections() as connections, AsyncExitStack() as stack:
        hangs, jobs = [await stack.enter_async_context(RabbitMQScaler.open(config, connections)) for config in configs]
        await read(hangs)
        await read(jobs)
        await asyncio.to_thread(server.control, "eval", suspended % "suspend")
        try:
            answered = 0
            async with asyncio.timeout(2 * DEADLINE_S):
                while answered < 20:
                    # Those that hang are asked all the time, together with the other.
                    async with asyncio.TaskGroup() as tasks:
                        hanging, other = tasks.create_task(outcome(hangs)), tasks.create_task(outcome(jobs))
                    assert isinstance(hanging.result(), SourceUnavailable)
                    answered += other.result() == 0
                    await asyncio.sleep(0.1)
        finally:
            await asyncio.to_thread(server.control, "eval", suspended % "resume")
        assert (await read_after_outage(hangs)).value == 0


async def outcome(scaler: Any) -> float | SourceError | None:
    try:
        return (await scaler.read()).value
    except SourceError as error:
        return error

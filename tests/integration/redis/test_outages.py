"""A server that goes, hangs, or drops its connections: reads say so at once, and work again once it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S, read, read_after_outage
from scaler.testing.leaks import no_leaks
from scaler.testing.servers.redis import RedisServer
from scalers.redis.lists import RedisListScaler

pytestmark = pytest.mark.services


@asynccontextmanager
async def opened(server: RedisServer) -> AsyncIterator[Any]:
    config = RedisListScaler.Config.model_validate({"address": server.address, "listName": "jobs"})
    async with (
        no_leaks(),
        SharedConnections() as connections,
        RedisListScaler.open(config, connections) as scaler,
    ):
        yield scaler


async def test_a_lost_server_fails_reads_at_once_and_is_found_soon_after_its_return(server: RedisServer) -> None:
    async with opened(server) as scaler:
        await read(scaler)
        server.stop()
        # Connecting to a port that nobody listens on fails at once; with a wait each it were minutes.
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(40):
                with pytest.raises(SourceUnavailable):
                    await scaler.read()
                await asyncio.sleep(0.05)
        server.start()
        await read_after_outage(scaler)


async def test_a_lost_server_sees_few_attempts_however_often_it_is_read(server: RedisServer, producer: Any) -> None:
    producer.execute_command("ACL", "SETUSER", "default", "resetpass", ">secret")
    producer.connection_pool.disconnect()
    async with opened(server) as scaler:
        for _ in range(200):
            with pytest.raises(SourceRejected):
                await scaler.read()
            await asyncio.sleep(0.005)
    with server.client(password="secret") as admin:  # noqa: S106 - of this test
        assert admin.info("stats")["total_connections_received"] < 12


async def test_a_connection_that_the_server_closed_while_idle_is_no_outage(server: RedisServer, producer: Any) -> None:
    async with opened(server) as scaler:
        await read(scaler)
        producer.client_kill_filter(_type="normal", skipme=True)
        assert (await read(scaler)).value == 0


async def test_a_server_that_never_answers_is_noticed_and_found_again(server: RedisServer, producer: Any) -> None:
    producer.rpush("jobs", 1)
    async with opened(server) as scaler:
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
        assert (await read_after_outage(scaler)).value == 1


async def test_closing_while_the_server_never_answers_leaves_nothing(server: RedisServer) -> None:
    try:
        async with asyncio.timeout(2 * DEADLINE_S):
            async with opened(server) as scaler:
                await read(scaler)
                server.freeze()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await scaler.read()
    finally:
        server.thaw()


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x01", b"*-7\r\n"])
async def test_a_server_that_is_no_redis_is_unavailable_and_breaks_nothing(greeting: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as impostor:
        address = f"127.0.0.1:{impostor.sockets[0].getsockname()[1]}"
        config = RedisListScaler.Config.model_validate({"address": address, "listName": "jobs", "databaseIndex": "1"})
        async with SharedConnections() as connections, RedisListScaler.open(config, connections) as scaler:
            for _ in range(5):
                with pytest.raises(SourceUnavailable):
                    await scaler.read()
                await asyncio.sleep(0.05)

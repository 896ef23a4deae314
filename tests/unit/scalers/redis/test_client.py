"""The shared client against a server that misbehaves as real ones seldom do."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

import pytest
import uvloop
from redis.asyncio import Connection

from scaler.testing.servers import hostile
from scaler.testing.servers.hostile import HostileServer
from scalers.redis.client import RedisClient
from scalers.redis.connection import disconnect, new_connection, send
from scalers.redis.lists import RedisListConfig


class ResettingServer:
    """Answers 3 to every command, and can reset its connections."""

    def __init__(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while received := await reader.read(4096):
                writer.write(b":3\r\n" * received.count(b"*"))
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def reset(self) -> None:
        for writer in self._writers:
            # Closed without lingering, a socket resets its connection.
            no_lingering = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
            writer.transport.abort()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_connection_that_was_reset_while_idle_is_no_outage(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> list[int]:
        resetting = ResettingServer()
        server = await asyncio.start_server(resetting.serve, "127.0.0.1", 0)
        address = "{}:{}".format(*server.sockets[0].getsockname())
        config = RedisListConfig.model_validate({"address": address, "listName": "jobs"})
        replies = []
        async with server, RedisClient.connect(config.source()) as client:
            for _ in range(3):
                replies.append(await client.submit("LLEN", "jobs"))
                resetting.reset()
                await asyncio.sleep(0.1)
        return replies

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(main()) == [3, 3, 3]


async def test_sending_loses_no_cancellation_whenever_it_comes() -> None:
    lost = []
    async with HostileServer.running(hostile.silent) as server:
        config = RedisListConfig.model_validate({"address": f"127.0.0.1:{server.port}", "listName": "jobs"})
        for turns in range(1, 20):
            connection = new_connection(config.source())

            async def send_often(connection: Connection = connection) -> None:
                for _ in range(100):
                    await send(connection, [("PING",)])
                    await asyncio.sleep(0)  # from Python 3.12 on, sending little does not wait

            await send(connection, [("PING",)])
            sending = asyncio.create_task(send_often())
            for _ in range(turns):
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.wait((sending,))
            if not sending.cancelled():
                lost.append(turns)
            await disconnect(connection)
    assert lost == []

"""The client of several servers against a node that misbehaves as real ones seldom do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.testing.leaks import no_leaks
from scalers.redis.cluster import RedisClusterListConfig
from scalers.redis.routed import RoutedClient


class Node:
    """Has all slots, does not know its own address, and answers commands with a line of its choice."""

    def __init__(self, answer: bytes, last_slot: int = 16383, slots: bytes = b"") -> None:
        self.port = 0
        self._slots = slots
        self.asked = 0
        self._answer = answer
        self._last_slot = last_slot

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while received := await reader.read(4096):
            if b"SLOTS" in received:
                slots = b"*1\r\n*3\r\n:0\r\n:%d\r\n*2\r\n$-1\r\n:%d\r\n" % (self._last_slot, self.port)
                writer.write(self._slots or slots)
            else:
                self.asked += 1
                writer.write(self._answer.replace(b"PORT", b"%d" % self.port) + b"\r\n")
        writer.close()


@asynccontextmanager
async def routed(node: Node) -> AsyncIterator[RoutedClient]:
    async with await asyncio.start_server(node.serve, "127.0.0.1", 0) as server:
        node.port = server.sockets[0].getsockname()[1]
        parameters = {"addresses": f"127.0.0.1:{node.port}", "listName": "jobs"}
        source = RedisClusterListConfig.model_validate(parameters).source()
        async with no_leaks(), RoutedClient.connect(source) as client:
            yield client


async def test_a_node_that_does_not_know_its_address_is_where_it_was_asked() -> None:
    async with routed(Node(b":3")) as client:
        assert await client.submit("LLEN", "jobs") == 3


async def test_redirections_that_do_not_end_are_given_up() -> None:
    node = Node(b"-MOVED 1 :PORT")
    async with routed(node) as client:
        with pytest.raises(SourceUnavailable, match="do not agree"):
            await client.submit("LLEN", "jobs")
    assert node.asked < 10


async def test_a_key_whose_slot_nobody_serves_is_unavailable() -> None:
    async with routed(Node(b":3", last_slot=0)) as client:
        with pytest.raises(SourceUnavailable, match="no node serves"):
            await client.submit("LLEN", "jobs")


@pytest.mark.parametrize("slots", [b":3\r\n", b"+OK\r\n", b"*1\r\n*1\r\n:0\r\n"], ids=["number", "text", "short"])
async def test_an_answer_that_is_no_map_of_slots_is_rejected(slots: bytes) -> None:
    async with routed(Node(b":3", slots=slots)) as client:
        with pytest.raises(SourceRejected, match="no map of slots"):
            await client.submit("LLEN", "jobs")


async def test_whoever_waits_for_the_first_look_is_told_of_the_end() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        source = RedisClusterListConfig.model_validate({"addresses": address, "listName": "jobs"}).source()
        async with no_leaks():
            async with RoutedClient.connect(source) as client:
                waiting = asyncio.create_task(client.submit("LLEN", "jobs"))
                await asyncio.sleep(0)
            with pytest.raises(SourceUnavailable, match="closed"):
                await waiting
        with pytest.raises(SourceUnavailable, match="closed"):
            await client.submit("LLEN", "jobs")

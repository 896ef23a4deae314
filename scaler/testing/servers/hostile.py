"""A server that answers nonsense: nothing, something else, too much, too slowly, or half of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

_CHUNK = 64 * 1024
# More than any client may take; the server itself stops then.
FLOOD_BYTES = 128 * 1024 * 1024
_DRIP_S = 0.02


@dataclass
class Peer:
    """One connection of a client.

    Attributes:
        reader: What the client sends.
        writer: Where it reads.
        sent: Bytes that it took.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sent: int = 0

    async def send(self, data: bytes) -> None:
        """Send, as fast as the client takes it."""
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)


Behaviour: TypeAlias = Callable[[Peer], Awaitable[None]]


@dataclass
class HostileServer:
    """Behaves as it is told, on every connection.

    Attributes:
        port: On the loopback interface.
        peers: Every connection that there was.
    """

    behaviour: Behaviour
    port: int = 0
    peers: list[Peer] = field(default_factory=list)

    @property
    def most_sent(self) -> int:
        """The most bytes that one connection took."""
        return max((peer.sent for peer in self.peers), default=0)

    @classmethod
    @asynccontextmanager
    async def running(cls, behaviour: Behaviour) -> AsyncIterator[HostileServer]:
        """Run one."""
        hostile = cls(behaviour)
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = Peer(reader, writer)
            hostile.peers.append(peer)
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            try:
                # A client that goes away is what is wanted of it.
                with suppress(OSError, EOFError, asyncio.CancelledError):
                    await hostile.behaviour(peer)
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        hostile.port = server.sockets[0].getsockname()[1]
        async with server:
            yield hostile
            for task in tuple(tasks):
                task.cancel()
            if tasks:
                await asyncio.wait(tuple(tasks))


async def silent(peer: Peer) -> None:
    """Accept, listen, and never answer."""
    while await peer.reader.read(_CHUNK):
        pass


async def closing(peer: Peer) -> None:
    """Accept and close."""
    peer.writer.close()


async def closing_when_asked(peer: Peer) -> None:
    """Close at the first question."""
    await peer.reader.read(1)


def says(*answers: bytes) -> Behaviour:
    """Answer each question in turn, the last answer again and again."""

    async def behave(peer: Peer) -> None:
        number = 0
        while await peer.reader.read(_CHUNK):
            await peer.send(answers[min(number, len(answers) - 1)])
            number += 1

    return behave


def breaks_off(answer: bytes) -> Behaviour:
    """Answer the first question, and close."""

    async def behave(peer: Peer) -> None:
        await peer.reader.read(_CHUNK)
        await peer.send(answer)

    return behave


def drips(answer: bytes) -> Behaviour:
    """Answer a byte at a time, too slowly, and the last one without end."""

    async def behave(peer: Peer) -> None:
        await peer.reader.read(_CHUNK)
        for byte in answer:
            await peer.send(bytes((byte,)))
            await asyncio.sleep(_DRIP_S)
        while True:
            await peer.send(answer[-1:])
            await asyncio.sleep(_DRIP_S)

    return behave


def floods(*before: bytes, with_: bytes = b"x") -> Behaviour:
    """Answer questions, and after the last answer send on as fast as can be."""

    async def behave(peer: Peer) -> None:
        for answer in before:
            await peer.reader.read(_CHUNK)
            await peer.send(answer)
        if not before:
            await peer.reader.read(_CHUNK)
        chunk = with_ * (_CHUNK // len(with_))
        while peer.sent < FLOOD_BYTES:
            await peer.send(chunk)

    return behave

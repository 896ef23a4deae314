"""The server of one method: what gRPC's own client makes of it, and what it makes of frames that are not as usual."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, TrailersReceived
from structlog.testing import capture_logs

from scaler.ingress import unary_server
from scaler.ingress.xds.naming import CALLS_PER_CONNECTION
from scaler.ports.errors import ConfigError
from scaler.testing.leaks import no_leaks, until

METHOD = "/test.Holding/Check"
SOCKET = "hold.sock"
_REQUEST = ((":method", "POST"), (":scheme", "http"), (":path", METHOD), (":authority", "test"))


class Holding:
    """Answers each call with its message, so many times, once told to."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.held = 0
        self.release = asyncio.Event()
        self.times = 1

    async def answer(self, message: bytes) -> bytes:
        self.messages.append(message)
        self.held += 1
        try:
            await self.release.wait()
        finally:
            self.held -= 1
        if message == b"bug":
            raise ValueError(message)
        return message * self.times


@pytest.fixture
def holding() -> Holding:
    return Holding()


@pytest.fixture
async def folder(tmp_path: Path, holding: Holding) -> AsyncIterator[Path]:
    """The folder of a server, whose path is longer than a socket's may be; yields a short way there."""
    folder, short = tmp_path / ("deep" * 40) / "ingress", tmp_path / "s"
    short.symlink_to(folder)
    async with unary_server.serving(folder, SOCKET, METHOD, holding.answer):
        yield short
    assert holding.held == 0


@asynccontextmanager
async def calling(folder: Path, method: str = METHOD) -> AsyncIterator[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]]:
    """A call by gRPC's own client, on a connection of its own."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(f"unix:{folder}/{SOCKET}", options=options) as channel:
        yield channel.unary_unary(method)


class Peer:
    """Speaks HTTP/2 frame by frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.http2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.events: list[Event] = []
        self.http2.initiate_connection()

    def begin(self, stream: int = 1) -> None:
        self.http2.send_headers(stream, _REQUEST)

    def say(self, data: bytes, stream: int = 1, *, last: bool = True) -> None:
        self.http2.send_data(stream, data, end_stream=last)

    def flush(self) -> None:
        self.writer.write(self.http2.data_to_send())

    async def read(self, kind: type[Event]) -> None:
        """Read until an event of this kind has come. Raises EOFError."""
        while not any(isinstance(event, kind) for event in self.events):
            await self.read_once()

    async def read_once(self) -> None:
        data = await self._reader.read(65536)
        if not data:
            raise EOFError
        self.events += self.http2.receive_data(data)
        self.flush()

    @property
    def status(self) -> str | None:
        for event in self.events:
            if isinstance(event, ResponseReceived | TrailersReceived) and "grpc-status" in dict(event.headers):
                return dict(event.headers)["grpc-status"]
        return None

    @property
    def body(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, DataReceived))


@pytest.fixture
async def peer(folder: Path) -> AsyncIterator[Peer]:
    peer = Peer(*await asyncio.open_unix_connection(folder / SOCKET))
    yield peer
    peer.writer.close()
    await peer.writer.wait_closed()


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4) + message


async def test_more_calls_than_a_connection_takes_are_held_at_once_and_each_gets_its_answer(
    folder: Path, holding: Holding
) -> None:
    count = CALLS_PER_CONNECTION
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(calling(folder)) for _ in range(3)]
        sent = [b"%d" % number for number in range(count * 3)]
        calls = [channels[number % 3](message) for number, message in enumerate(sent)]
        await until(lambda: holding.held == len(sent))
        holding.release.set()
        assert await asyncio.gather(*calls) == sent


async def test_a_call_beyond_those_of_a_connection_waits_until_one_is_answered(folder: Path, holding: Holding) -> None:
    count = CALLS_PER_CONNECTION
    async with calling(folder) as call:
        calls = [call(b"%d" % number) for number in range(count + 1)]
        await until(lambda: holding.held == count)
        calls.pop(0).cancel()
        await until(lambda: len(holding.messages) == count + 1)
        holding.release.set()
        assert await asyncio.gather(*calls) == [b"%d" % number for number in range(1, count + 1)]


async def test_a_caller_that_gives_up_cancels_its_call(folder: Path, holding: Holding) -> None:
    async with calling(folder) as call:
        calls = [call(b"%d" % number) for number in range(3)]
        await until(lambda: holding.held == 3)
        calls.pop(1).cancel()
        await until(lambda: holding.held == 2)
        holding.release.set()
        assert await asyncio.gather(*calls) == [b"0", b"2"]


async def test_what_breaks_one_call_is_logged_and_breaks_no_other(folder: Path, holding: Holding) -> None:
    with capture_logs() as logs:
        async with calling(folder) as call:
            bug, well = call(b"bug"), call(b"well")
            await until(lambda: holding.held == 2)
            holding.release.set()
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await bug
            assert failed.value.code() is grpc.StatusCode.INTERNAL
            assert await well == b"well"
    assert [entry["event"] for entry in logs] == ["call_failed"]


async def test_another_method_is_not_there(folder: Path, holding: Holding) -> None:
    async with calling(folder, "/test.Holding/Other") as call:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(b"")
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert holding.messages == []


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_535, 900_000])
async def test_messages_of_any_size_go_both_ways(folder: Path, holding: Holding, size: int) -> None:
    holding.release.set()
    async with calling(folder) as call:
        assert await call(b"x" * size) == b"x" * size


async def test_a_message_may_come_in_pieces(peer: Peer, holding: Holding) -> None:
    peer.begin()
    for byte in framed(b"message"):
        peer.say(bytes([byte]), last=False)
    peer.say(b"")
    for byte in peer.http2.data_to_send():
        peer.writer.write(bytes([byte]))
        await peer.writer.drain()
        await asyncio.sleep(0)
    holding.release.set()
    await peer.read(StreamEnded)
    assert (peer.status, peer.body) == ("0", framed(b"message"))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0\0\0", id="half a prefix"),
        pytest.param(framed(b"message")[:-1], id="cut short"),
        pytest.param(framed(b"message") + b"!", id="more than it says"),
        pytest.param(b"\1" + framed(b"message")[1:], id="compressed"),
    ],
)
async def test_what_is_no_message_is_refused(peer: Peer, holding: Holding, data: bytes) -> None:
    peer.begin()
    peer.say(data)
    peer.flush()
    await peer.read(StreamEnded)
    assert peer.status == str(grpc.StatusCode.INTERNAL.value[0])
    assert holding.messages == []


async def test_a_message_that_is_too_long_is_refused(folder: Path, holding: Holding) -> None:
    async with calling(folder) as call:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(b"x" * 2_000_000)
    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert holding.messages == []


async def test_an_answer_waits_for_room_and_a_caller_may_give_up_meanwhile(peer: Peer, holding: Holding) -> None:
    holding.times = 20_000
    for stream in (1, 3, 5):
        peer.begin(stream)
        peer.say(framed(b"abc"), stream)
    peer.flush()
    await until(lambda: holding.held == 3)
    holding.release.set()
    while len(peer.body) < 65_535:  # the connection's window, which holds one answer and part of another
        await peer.read_once()
    await until(lambda: holding.held == 0)
    peer.http2.reset_stream(3)
    peer.http2.increment_flow_control_window(1_000_000)
    peer.flush()
    while sum(isinstance(event, StreamEnded) for event in peer.events) < 2:
        await peer.read_once()
    for stream in (1, 5):
        parts = [each.data for each in peer.events if isinstance(each, DataReceived) and each.stream_id == stream]
        assert b"".join(parts) == framed(b"abc" * 20_000)


async def test_a_call_that_is_given_up_as_soon_as_it_comes_leaves_nothing(peer: Peer, holding: Holding) -> None:
    peer.begin()
    peer.say(framed(b"gone"))
    peer.http2.reset_stream(1)
    peer.begin(3)
    peer.say(framed(b"here"), 3)
    peer.flush()
    holding.release.set()
    await peer.read(StreamEnded)
    assert holding.messages == [b"here"]


async def test_who_breaks_the_protocol_is_hung_up_on(peer: Peer, holding: Holding) -> None:
    peer.begin()
    peer.say(framed(b"well"))
    peer.flush()
    await until(lambda: holding.held == 1)
    with capture_logs() as logs:
        peer.writer.write(b"\0\0\1\0\0\0\0\0\0x")  # data of stream 0
        await peer.read(ConnectionTerminated)
    assert [entry["event"] for entry in logs] == ["proxy_broke_protocol"]
    assert [each.error_code for each in peer.events if isinstance(each, ConnectionTerminated)] == [
        ErrorCodes.PROTOCOL_ERROR
    ]
    await until(lambda: holding.held == 0)


async def test_a_caller_that_goes_away_cancels_its_calls(peer: Peer, holding: Holding) -> None:
    peer.begin()
    peer.say(framed(b"well"))
    peer.flush()
    await until(lambda: holding.held == 1)
    peer.http2.close_connection()
    peer.flush()
    await until(lambda: holding.held == 0)


async def test_the_end_cancels_calls_even_of_a_caller_that_reads_no_more(tmp_path: Path, holding: Holding) -> None:
    async with no_leaks():
        async with unary_server.serving(tmp_path, SOCKET, METHOD, holding.answer):
            path = tmp_path / SOCKET
            assert path.stat().st_mode & 0o777 == 0o600
            assert tmp_path.stat().st_mode & 0o777 == 0o700
            deaf = Peer(*await asyncio.open_unix_connection(path, limit=1))
            deaf.begin()
            deaf.say(framed(b"well"))
            for _ in range(30_000):
                deaf.http2.ping(b"answer!!")
            deaf.flush()
            await until(lambda: holding.held == 1)
        assert holding.held == 0
        assert not path.exists()
        deaf.writer.transport.abort()


async def test_the_socket_of_a_killed_service_is_replaced(tmp_path: Path, holding: Holding) -> None:
    holding.release.set()
    first = await asyncio.start_unix_server(lambda _reader, _writer: None, tmp_path / SOCKET)
    first.close()
    async with unary_server.serving(tmp_path, SOCKET, METHOD, holding.answer), calling(tmp_path) as call:
        assert await call(b"here") == b"here"


async def test_a_socket_that_cannot_be_made_is_a_clear_error(tmp_path: Path, holding: Holding) -> None:
    (tmp_path / SOCKET).mkdir()
    with pytest.raises(ConfigError, match=f"{SOCKET} cannot be made"):
        async with unary_server.serving(tmp_path, SOCKET, METHOD, holding.answer):
            pass

"""A gRPC server for one method with one request and one answer, of which thousands of calls wait at once.

A call that waits takes 20 KiB in grpc.aio's server, and 2.4 in this one, on the library h2. It does what Envoy needs:
neither compression nor deadlines, which Envoy keeps itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import grpc
import structlog
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from scaler.ingress import folder as ingress_folder
from scaler.ingress.xds.naming import CALLS_PER_CONNECTION
from scaler.ports.errors import ConfigError

log = structlog.get_logger(__name__)

Answer = Callable[[bytes], Awaitable[bytes]]

# Of a message: the longest head that Envoy takes from a client is 60 KiB.
_MAX_MESSAGE_BYTES = 1024 * 1024
# A message follows a byte that says whether it is compressed, and its length in four.
_PREFIX_BYTES = 5
# For what was written to reach a proxy that reads.
_CLOSING_S = 1.0

_HEADERS = ((b":status", b"200"), (b"content-type", b"application/grpc"))


class _NotServedError(Exception):
    """A call that no answer is asked for."""

    def __init__(self, status: grpc.StatusCode, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@asynccontextmanager
async def serving(folder: Path, name: str, method: str, answer: Answer) -> AsyncIterator[None]:
    """Serve one method on a socket in a folder, which is made where needed, for the length of the block.

    A socket that a killed service left there is replaced. On the way out calls under way are cancelled.

    Args:
        folder: Its path may be longer than a socket's may be.
        name: Of the socket, which only its owner can reach.
        method: `/package.Service/Method`.
        answer: Is given a message and returns another; it is cancelled when the caller gives up. What it raises is a
            bug: it is logged, and the caller is told INTERNAL.

    Raises:
        ConfigError: The folder or the socket cannot be made.
    """
    connections: set[_Connection] = set()
    with ingress_folder.reached(folder) as reached:
        path = reached / name
        try:
            server = await asyncio.get_running_loop().create_unix_server(
                lambda: _Connection(method, answer, connections), path
            )
            path.chmod(0o600)  # until now the folder alone kept others out
        except OSError as error:
            raise ConfigError(f"the socket {folder / name} cannot be made: {error}") from error
        try:
            yield
        finally:
            server.close()
            path.unlink(missing_ok=True)
            await _close(connections)


async def _close(connections: set[_Connection]) -> None:
    for connection in tuple(connections):
        connection.close()
    try:
        async with asyncio.timeout(_CLOSING_S):
            for connection in tuple(connections):
                await connection.closed.wait()
    except TimeoutError:
        for connection in tuple(connections):
            connection.abort()
            await connection.closed.wait()


class _Connection(asyncio.Protocol):
    """The calls of one connection. What is kept of each is kept as long as a request is held, so it is little.

    Calls are answered in a later turn of the loop than they are read: by then it is known whether the caller, in what
    was read with it, has given up.
    """

    def __init__(self, method: str, answer: Answer, connections: set[_Connection]) -> None:
        self.closed = asyncio.Event()
        self._method = method.encode()
        self._answer = answer
        self._connections = connections
        self._http2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._http2.local_settings = Settings(
            client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: CALLS_PER_CONNECTION}
        )
        self._transport: asyncio.Transport
        # Calls by the numbers of their streams: the method and the message as far as it has come,
        self._coming: dict[int, tuple[bytes, bytearray]] = {}
        # those that wait for their answer,
        self._waiting: dict[int, asyncio.Task[None]] = {}
        # and of answers what the caller's windows have no room for yet.
        self._going: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with our settings."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._http2.initiate_connection()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Cancel all calls."""
        del error
        self._cancel()
        self._connections.discard(self)
        self.closed.set()

    def data_received(self, data: bytes) -> None:
        """Take in what came, and send what it made room for."""
        try:
            events = self._http2.receive_data(data)
        except ProtocolError as error:
            log.warning("proxy_broke_protocol", error=str(error))
            self._hang_up()
            return
        for event in events:
            self._take_in(event)
        for stream in tuple(self._going):
            self._send(stream)
        self._flush()

    def close(self) -> None:
        """Cancel all calls, and say so."""
        self._http2.close_connection()
        self._hang_up()

    def abort(self) -> None:
        """Hang up on a caller that does not read."""
        self._transport.abort()

    def _hang_up(self) -> None:
        self._cancel()
        self._flush()
        self._transport.close()

    def _take_in(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=stream, headers=headers):
                self._coming[stream] = dict(headers).get(b":path", b""), bytearray()
            case DataReceived(stream_id=stream, data=data, flow_controlled_length=length):
                self._http2.acknowledge_received_data(length, stream)
                _, message = self._coming[stream]
                if len(message) <= _MAX_MESSAGE_BYTES:  # what is longer will be found to be cut short
                    message += data
            case StreamEnded(stream_id=stream):
                self._waiting[stream] = asyncio.get_running_loop().create_task(self._call(stream))
            case StreamReset(stream_id=stream):
                self._forget(stream)
            case ConnectionTerminated():
                self._hang_up()

    def _forget(self, stream: int) -> None:
        self._coming.pop(stream, None)
        self._going.pop(stream, None)
        if task := self._waiting.pop(stream, None):
            task.cancel()

    def _cancel(self) -> None:
        for stream in (*self._coming, *self._waiting, *self._going):
            self._forget(stream)

    async def _call(self, stream: int) -> None:
        answer, status = b"", grpc.StatusCode.INTERNAL
        try:
            answer = await self._answer(self._message(stream))
            status = grpc.StatusCode.OK
        except _NotServedError as error:
            status = error.status
            log.warning("call_not_served", error=str(error))
        except Exception:
            log.exception("call_failed")
        if self._waiting.pop(stream, None) is not None:  # the caller may have gone in the same turn
            self._reply(stream, status, answer)

    def _message(self, stream: int) -> bytes:
        """Return what the call says, and keep it no longer."""
        method, data = self._coming.pop(stream)
        if method != self._method:
            raise _NotServedError(
                grpc.StatusCode.UNIMPLEMENTED, f"there is no method {method.decode(errors='replace')}"
            )
        if data[:1] != b"\0" or len(data) - _PREFIX_BYTES != int.from_bytes(data[1:_PREFIX_BYTES]):
            raise _NotServedError(grpc.StatusCode.INTERNAL, "a message that is not one, or compressed, or too long")
        return bytes(data[_PREFIX_BYTES:])

    def _reply(self, stream: int, status: grpc.StatusCode, answer: bytes) -> None:
        if status is grpc.StatusCode.OK:
            self._http2.send_headers(stream, _HEADERS)
            self._going[stream] = b"\0" + len(answer).to_bytes(_PREFIX_BYTES - 1) + answer
            self._send(stream)
        else:
            self._http2.send_headers(stream, (*_HEADERS, _status(status)), end_stream=True)
        self._flush()

    def _send(self, stream: int) -> None:
        """Send as much of an answer as there is room for."""
        left = self._going.pop(stream)
        while left:
            size = min(self._http2.local_flow_control_window(stream), self._http2.max_outbound_frame_size)
            if size <= 0:
                self._going[stream] = left
                return
            self._http2.send_data(stream, left[:size])
            left = left[size:]
        self._http2.send_headers(stream, (_status(grpc.StatusCode.OK),), end_stream=True)

    def _flush(self) -> None:
        if data := self._http2.data_to_send():
            self._transport.write(data)


def _status(status: grpc.StatusCode) -> tuple[bytes, bytes]:
    return b"grpc-status", b"%d" % status.value[0]

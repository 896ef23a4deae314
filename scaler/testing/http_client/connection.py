"""A connection of HTTP/1.1 that repeats nothing by itself, so that what goes wrong is seen.

Client libraries send a request again when a connection that they used before turns out to be closed. This one does not.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from scaler.testing.http_client.tally import Unexpected

_LIMIT = 2**20
_TEXT, _BINARY, _CLOSE = 0x1, 0x2, 0x8


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names are in lower case, and of several with one name the last is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def expect(self, body: bytes | None = None) -> Self:
        """Return it.

        Raises:
            Unexpected: The status is not 2xx, or the body another one.
        """
        if not 200 <= self.status < 300:
            raise Unexpected(f"status {self.status}: {self.body[:200]!r}")
        if body is not None and self.body != body:
            raise Unexpected(f"{len(self.body)} bytes that are not the {len(body)} that were to come")
        return self


class Connection:
    """A connection that is opened when it is needed, and used again as long as both sides keep it."""

    def __init__(self, address: str, port: int, host: str) -> None:
        """Prepare it: `host` is what the requests are for."""
        self._address, self._port, self.host = address, port, host
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def url(self) -> str:
        """The address as a URL, for clients that make connections of their own."""
        return f"http://{self._address}:{self._port}"

    @property
    def used(self) -> bool:
        """Whether the next request goes over a connection that carried one before."""
        return self._reader is not None and not self._reader.at_eof()

    async def close(self) -> None:
        """Close it; the next request opens another one."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def ask(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        blocks: Sequence[bytes] = (),
        chunked: bool = False,
    ) -> Answer:
        """Send a request, and return the answer when it is complete; both directions flow at the same time.

        Raises:
            OSError: The connection cannot be made, or ended.
            EOFError: It ended within the answer.
        """
        reader, writer = await self._open()
        lines = [f"{method} {target} HTTP/1.1", f"host: {self.host}"]
        if chunked:
            lines.append("transfer-encoding: chunked")
        elif blocks:
            lines.append(f"content-length: {sum(map(len, blocks))}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        sending = asyncio.create_task(_send(writer, blocks, chunked=chunked), name="request body")
        try:
            answer = await _receive(reader, method)
        except BaseException:
            await self.close()
            raise
        else:
            sent = sending.done() and not sending.cancelled() and sending.exception() is None
            if not sent or answer.headers.get("connection") == "close":
                await self.close()
            return answer
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending

    async def websocket(self, target: str, headers: Mapping[str, str] | None = None) -> WebSocket:
        """Open a WebSocket over it; the connection is of no other use afterwards.

        Raises:
            Unexpected: The answer is another one than that it may begin.
        """
        await self.close()
        reader, writer = await self._open()
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = [f"GET {target} HTTP/1.1", f"host: {self.host}", "connection: Upgrade", "upgrade: websocket"]
        lines += ["sec-websocket-version: 13", f"sec-websocket-key: {key}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        status, received = await _receive_head(reader)
        if status != 101:
            raise Unexpected(f"status {status} to a WebSocket's beginning")
        return WebSocket(reader, writer, received)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof():
            await self.close()
            self._reader, self._writer = await asyncio.open_connection(self._address, self._port, limit=_LIMIT)
        return self._reader, self._writer


class WebSocket:
    """The client's side of a WebSocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: Mapping[str, str]) -> None:
        self._reader, self._writer = reader, writer
        self.headers = headers

    async def send(self, message: bytes, *, flags: int = 0x80 | _BINARY) -> None:
        """Send one message."""
        length, mask = len(message), secrets.token_bytes(4)
        if length < 126:
            head = struct.pack("!BB", flags, 0x80 | length)
        elif length < 65536:
            head = struct.pack("!BBH", flags, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", flags, 0x80 | 127, length)
        pad = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
        self._writer.write(head + mask + (int.from_bytes(message, "big") ^ pad).to_bytes(length, "big"))
        await self._writer.drain()

    async def receive(self) -> bytes:
        """Return the next message.

        Raises:
            Unexpected: The other side ends the session.
            EOFError: The connection ended.
        """
        flags, length = await self._reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self._reader.readexactly(8))
        payload = await self._reader.readexactly(length)
        if flags & 0xF not in {_TEXT, _BINARY}:
            raise Unexpected(f"a frame of kind {flags & 0xF:#x} in a session of messages")
        return payload

    async def close(self) -> None:
        """End the session: say so, and wait until the other side has said it too.

        Raises:
            Unexpected: It says something else.
        """
        await self.send(struct.pack("!H", 1000), flags=0x80 | _CLOSE)
        flags, length = await self._reader.readexactly(2)
        await self._reader.readexactly(length)
        if flags & 0xF != _CLOSE:
            raise Unexpected(f"a frame of kind {flags & 0xF:#x} in place of the session's end")


async def _send(writer: asyncio.StreamWriter, blocks: Iterable[bytes], *, chunked: bool) -> None:
    for block in blocks:
        writer.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _receive(reader: asyncio.StreamReader, method: str) -> Answer:
    status, headers = await _receive_head(reader)
    if method == "HEAD" or status in {204, 304}:
        return Answer(status, headers, b"")
    if "chunked" in headers.get("transfer-encoding", ""):
        blocks = []
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            blocks.append(await reader.readexactly(size))
            await reader.readexactly(2)
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return Answer(status, headers, b"".join(blocks))
    if "content-length" not in headers:
        return Answer(status, headers | {"connection": "close"}, await reader.read())
    return Answer(status, headers, await reader.readexactly(int(headers["content-length"])))


async def _receive_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")[:-2]
    pairs = (line.partition(":") for line in lines)
    return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}

"""The kinds of requests: each is made up from a seed, sent, and its answer compared to what was to come."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import grpc.aio

from scaler.testing.http_app.rpc import SERVICE
from scaler.testing.http_client.connection import Connection
from scaler.testing.http_client.tally import Kind, Tally, Unexpected

# The header of answers that were held, in milliseconds.
HELD = "x-scaler-held-ms"
NUMBER = "x-request-number"
_MAX_BLOCK = 64 * 1024
# What bodies are cut from.
_NOISE = random.Random(0).randbytes(2**20)  # noqa: S311 - the same in every process


@dataclass(frozen=True, slots=True)
class Shape:
    """How large and long requests may become.

    Attributes:
        max_body: Bytes of a body or a stream of messages; sizes are spread evenly over their orders of magnitude.
        max_seconds: Of a slow request, a stream or a session.
    """

    max_body: int = 10 * 1000 * 1000
    max_seconds: float = 2.0


class Requests:
    """Makes requests of every kind, one at a time."""

    def __init__(
        self, connection: Connection, channel: grpc.aio.Channel, tally: Tally, *, shape: Shape, seed: str
    ) -> None:
        """Requests are numbered, from `seed`, so that an app's log shows which came more than once.

        `body_bytes` is the length of the latest body that was made.
        """
        self._connection = connection
        self._tally = tally
        self._shape = shape
        # Sizes and times are no secrets; the same seed makes the same requests.
        self._chance = random.Random(seed)  # noqa: S311
        self._seed, self._count = seed, 0
        self.body_bytes = 0
        self._call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/Call")
        self._talk: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(f"/{SERVICE}/Talk")
        self._kinds: dict[Kind, Callable[[], Awaitable[int]]] = {
            Kind.GET: self._get,
            Kind.SLOW: self._slow,
            Kind.POST: self._post,
            Kind.POST_CHUNKED: self._post_chunked,
            Kind.DIGEST: self._upload,
            Kind.STREAM: self._stream,
            Kind.WEBSOCKET: self._websocket,
            Kind.HTTP2: self._http2,
            Kind.RPC: self._rpc,
            Kind.RPC_STREAM: self._rpc_stream,
        }

    async def make(self, kind: Kind) -> int:
        """Make one request; return the bytes that were compared.

        Raises:
            Unexpected: The answer is not the one that was to come.
            OSError: The connection cannot be made, or ended.
            EOFError: It ended within the answer.
            grpc.RpcError: The call failed.
        """
        self._count += 1
        self.body_bytes = 0
        if kind not in {Kind.HTTP2, Kind.RPC, Kind.RPC_STREAM, Kind.WEBSOCKET}:
            self._tally.reused += self._connection.used
        return await self._kinds[kind]()

    @property
    def number(self) -> str:
        """The number of the request that was made last."""
        return f"{self._seed}-{self._count}"

    def _headers(self) -> dict[str, str]:
        return {NUMBER: self.number}

    def _size(self, most: float = 1.0) -> int:
        return int(self._shape.max_body ** self._chance.uniform(0, most))

    def _seconds(self) -> float:
        return self._chance.uniform(0, self._shape.max_seconds)

    def _body(self, most: float = 1.0) -> list[bytes]:
        left, blocks = self._size(most), []
        self.body_bytes = left
        while left:
            size = min(left, self._chance.randint(1, _MAX_BLOCK))
            start = self._chance.randrange(len(_NOISE) - size)
            blocks.append(_NOISE[start : start + size])
            left -= size
        return blocks

    def _note(self, headers: Mapping[str, str]) -> None:
        if "x-replica" in headers:
            self._tally.replicas.add(headers["x-replica"])
        if HELD in headers:
            self._tally.was_held(float(headers[HELD]))

    async def _get(self) -> int:
        answer = (await self._connection.ask("GET", "/", headers=self._headers())).expect()
        self._note(answer.headers)
        if json.loads(answer.body)["replica"] != answer.headers.get("x-replica"):
            raise Unexpected(f"another replica's answer: {answer.body[:200]!r}")
        return len(answer.body)

    async def _slow(self) -> int:
        seconds = self._seconds()
        began = time.monotonic()
        answer = (await self._connection.ask("GET", f"/slow?seconds={seconds:.3f}", headers=self._headers())).expect()
        self._note(answer.headers)
        if time.monotonic() - began < seconds - 0.01:
            raise Unexpected("an answer before it can have been made")
        return len(answer.body)

    async def _post(self) -> int:
        return await self._echo(chunked=False)

    async def _post_chunked(self) -> int:
        return await self._echo(chunked=True)

    async def _echo(self, *, chunked: bool) -> int:
        blocks = self._body()
        answer = await self._connection.ask("POST", "/echo", headers=self._headers(), blocks=blocks, chunked=chunked)
        self._note(answer.expect(b"".join(blocks)).headers)
        return len(answer.body)

    async def _upload(self) -> int:
        blocks = self._body()
        body = b"".join(blocks)
        answer = await self._connection.ask("POST", "/digest", headers=self._headers(), blocks=blocks)
        self._note(answer.expect(f"{hashlib.sha256(body).hexdigest()} {len(body)}\n".encode()).headers)
        return len(body)

    async def _stream(self) -> int:
        chunks, seconds = self._chance.randint(1, 40), self._seconds()
        target = f"/stream?chunks={chunks}&interval={seconds / chunks:.4f}"
        answer = await self._connection.ask("GET", target, headers=self._headers())
        self._note(answer.expect(b"".join(b"data: %d\n\n" % number for number in range(chunks))).headers)
        return len(answer.body)

    async def _websocket(self) -> int:
        compared, messages = 0, self._chance.randint(1, 20)
        pause_s = self._seconds() / messages
        try:
            session = await self._connection.websocket("/ws", self._headers())
            self._note(session.headers)
            for _ in range(messages):
                message = b"".join(self._body(0.7))
                await session.send(message)
                if await session.receive() != message:
                    raise Unexpected(f"another message than the {len(message)} bytes that were sent")
                compared += len(message)
                await asyncio.sleep(pause_s)
            await session.close()
        finally:
            await self._connection.close()
        return compared

    async def _http2(self) -> int:
        body = b"".join(self._body(0.9))
        curl = await asyncio.create_subprocess_exec(
            *("curl", "--silent", "--show-error", "--http2-prior-knowledge", "--data-binary", "@-"),
            *("--header", f"host: {self._connection.host}", "--header", f"{NUMBER}: {self.number}"),
            *("--header", "content-type: application/octet-stream", "--header", "expect:"),
            *("--write-out", "%{stderr}%{http_code} %{http_version}", f"{self._connection.url}/echo"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            answer, status = await curl.communicate(body)
        finally:
            if curl.returncode is None:
                curl.kill()
        if status != b"200 2" or answer != body:
            raise Unexpected(f"curl says {status.decode(errors='replace')[:200]!r}, {len(answer)} of {len(body)} bytes")
        return len(body)

    async def _rpc(self) -> int:
        message = b"".join(self._body())
        call = self._call(message, metadata=tuple(self._headers().items()))
        if await call != message:
            raise Unexpected(f"another message than the {len(message)} bytes that were sent")
        self._note({str(key): str(value) for key, value in await call.initial_metadata() or ()})
        return len(message)

    async def _rpc_stream(self) -> int:
        compared, messages = 0, self._chance.randint(1, 20)
        pause_s = self._seconds() / messages
        call = self._talk(metadata=tuple(self._headers().items()))
        for _ in range(messages):
            message = b"".join(self._body(0.7))
            await call.write(message)
            if await call.read() != message:
                raise Unexpected(f"another message than the {len(message)} bytes that were sent")
            compared += len(message)
            await asyncio.sleep(pause_s)
        await call.done_writing()
        if await call.read() is not grpc.aio.EOF:
            raise Unexpected("a message that was never sent")
        self._note({str(key): str(value) for key, value in await call.initial_metadata() or ()})
        return compared

"""The client: workers in a thread of their own, so that whoever uses it can wait for other things meanwhile."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

import grpc
import grpc.aio

from scaler.testing.http_client.connection import Answer, Connection
from scaler.testing.http_client.requests import Requests, Shape
from scaler.testing.http_client.tally import Kind, Tally, Unexpected

T = TypeVar("T")

# How often each kind is chosen. Curl starts a process for each request, and so is rare.
BY_HTTP: Mapping[Kind, float] = {
    Kind.GET: 40, Kind.SLOW: 10, Kind.POST: 12, Kind.POST_CHUNKED: 12, Kind.DIGEST: 10, Kind.STREAM: 8,
    Kind.WEBSOCKET: 6, Kind.HTTP2: 2,
}  # fmt: skip
BY_RPC: Mapping[Kind, float] = {Kind.RPC: 7, Kind.RPC_STREAM: 3}


_AFTER_FAILURE_S = 0.05


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to send requests.

    Attributes:
        port: Where the ingress listens.
        host: Whom the requests are for.
        address: Where the ingress listens.
        kinds: What is sent, and how often each kind is chosen.
    """

    port: int
    host: str
    address: str = "127.0.0.1"
    kinds: Mapping[Kind, float] = field(default_factory=lambda: BY_HTTP)


class Client:
    """Sends requests to a target while it is entered, and counts what came of them.

    Args:
        target: Whom.
        seed: The same seed makes the same requests.
        shape: How large and long they may become.
        limit_s: A request that takes longer has failed.

    A connection that was used stays open for the worker that needs one next. Nothing is ever sent again.
    """

    def __init__(self, target: Target, *, seed: int, shape: Shape | None = None, limit_s: float = 60.0) -> None:
        self.target = target
        self.tally = Tally()
        self._seed = seed
        self._shape = shape or Shape()
        self._limit_s = limit_s
        self._workers = 0
        self._idle: list[Requests] = []
        self._connections: list[Connection] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="client", daemon=True)
        self._channel: grpc.aio.Channel | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._submit(self._close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def send(self, kind: Kind) -> None:
        """Send one request of that kind, and count what comes of it."""
        self.start(kind).result()

    def start(self, kind: Kind) -> Future[None]:
        """Begin to send one request of that kind; what is returned is done when what came of it has been counted."""
        return self._submit(self._send(kind))

    def ask(
        self, method: str, target: str, *, host: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request over a connection of its own, and return the answer, which is not counted.

        Raises:
            OSError: There is no answer, or none in time.
            EOFError: The connection ended within the answer.
        """

        async def ask() -> Answer:
            connection = Connection(self.target.address, self.target.port, host or self.target.host)
            try:
                async with asyncio.timeout(self._limit_s):
                    return await connection.ask(method, target, headers=headers)
            finally:
                await connection.close()

        return self._submit(ask()).result()

    def burst(self, workers: int, seconds: float) -> None:
        """Let so many workers send for that long, and wait until all has been answered."""
        with self.steadily(workers):
            time.sleep(seconds)

    @contextmanager
    def steadily(self, workers: int, *, pause_s: float = 0.0) -> Iterator[None]:
        """Let so many workers send, until left; then wait until all has been answered.

        Args:
            workers: How many requests are under way at once.
            pause_s: Between an answer and the next request, on average.
        """
        stop = threading.Event()
        working = [self._submit(self._work(stop, pause_s)) for _ in range(workers)]
        try:
            yield
        finally:
            stop.set()
            for each in working:
                each.result()

    def _submit(self, work: Coroutine[None, None, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _work(self, stop: threading.Event, pause_s: float) -> None:
        chance = random.Random(f"{self._seed}-{self._workers}")  # noqa: S311 - the same seed makes the same requests
        self._workers += 1
        kinds, weights = list(self.target.kinds), list(self.target.kinds.values())
        while not stop.is_set():
            await self._send(chance.choices(kinds, weights)[0])
            if pause_s:
                await asyncio.sleep(chance.uniform(0, 2 * pause_s))

    async def _send(self, kind: Kind) -> None:
        requests = self._idle.pop() if self._idle else self._new()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._limit_s):
                size = await requests.make(kind)
        except (OSError, EOFError, ValueError, Unexpected, grpc.RpcError, TimeoutError) as error:
            seconds = time.monotonic() - began
            description = f"request {requests.number} of {requests.body_bytes} bytes after {seconds:.3f} s: {error!r}"
            self.tally.failed(kind, description, began_s=began)
            # Where nothing answers, they would come by the thousand.
            await asyncio.sleep(_AFTER_FAILURE_S)
        else:
            self.tally.succeeded(kind, seconds=time.monotonic() - began, size=size)
        finally:
            self._idle.append(requests)

    def _new(self) -> Requests:
        target = self.target
        if self._channel is None:
            options = (
                ("grpc.default_authority", target.host),
                # Retries would hide failures.
                ("grpc.enable_retries", 0),
                ("grpc.max_receive_message_length", -1),
            )
            self._channel = grpc.aio.insecure_channel(f"{target.address}:{target.port}", options=options)
        connection = Connection(target.address, target.port, target.host)
        self._connections.append(connection)
        seed = f"{self._seed}-{len(self._connections)}"
        return Requests(connection, self._channel, self.tally, shape=self._shape, seed=seed)

    async def _close(self) -> None:
        for connection in self._connections:
            await connection.close()
        if self._channel is not None:
            await self._channel.close()

"""Many triggers on one cluster: one connection, two requests a tick; old brokers are asked in their own versions."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceRejected
from scaler.testing.driving import Wakeups, read_after_outage
from scaler.testing.leaks import no_leaks, until
from scaler.testing.servers.kafka import KafkaServer
from scaler.testing.servers.kafka_records import KafkaRecords
from scaler.testing.servers.process import free_port
from scalers.kafka.kafka import KafkaScaler

pytestmark = pytest.mark.services

TRIGGERS = 300
TOPICS = 5
FETCH, LIST_OFFSETS, METADATA, OFFSET_FETCH, FIND_COORDINATOR, API_VERSIONS = 1, 2, 3, 9, 10, 18


class Proxy:
    """Stands before a broker, counts connections and requests, and may make it look old."""

    def __init__(self, port: int, server: KafkaServer, caps: dict[int, int]) -> None:
        self.requests: Counter[tuple[int, int]] = Counter()
        self.connections = 0
        self._port, self._server, self._caps = port, server, caps

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", self._port):
            yield

    def count(self, api: int) -> int:
        return sum(count for (key, _), count in self.requests.items() if key == api)

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        self.connections += 1
        broker, requests = await asyncio.open_connection(self._server.host, self._server.port)
        asked: asyncio.Queue[int] = asyncio.Queue()
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._forward(client, requests, asked))
                    tasks.create_task(self._answer(broker, answers, asked))
            except* (asyncio.IncompleteReadError, ConnectionError):
                pass
        requests.close()
        answers.close()

    async def _forward(
        self, client: asyncio.StreamReader, requests: asyncio.StreamWriter, asked: asyncio.Queue[int]
    ) -> None:
        while True:
            frame = await _frame(client)
            key, version = struct.unpack(">hh", frame[4:8])
            self.requests[key, version] += 1
            asked.put_nowait(key)
            requests.write(frame)

    async def _answer(
        self, broker: asyncio.StreamReader, answers: asyncio.StreamWriter, asked: asyncio.Queue[int]
    ) -> None:
        while True:
            frame = bytearray(await _frame(broker))
            if await asked.get() == API_VERSIONS:
                # After size, correlation, error and count: key, least and most version of each request.
                for at in range(14, len(frame) - 5, 6):
                    key, least, most = struct.unpack(">hhh", frame[at : at + 6])
                    cap = self._caps.get(key, most)
                    frame[at : at + 6] = struct.pack(">hhh", key, min(least, cap), min(most, cap))
            answers.write(frame)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size, "big"))


@pytest.fixture(scope="module")
def advertised_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(advertised_port: int) -> Iterator[KafkaServer]:
    with KafkaServer.running(advertised_port=advertised_port) as running:
        yield running


@asynccontextmanager
async def proxied(port: int, server: KafkaServer, **caps: int) -> AsyncIterator[Proxy]:
    names = {"offset_fetch": OFFSET_FETCH, "find_coordinator": FIND_COORDINATOR}
    proxy = Proxy(port, server, {names[name]: version for name, version in caps.items()})
    async with proxy.running():
        records = KafkaRecords(server.address)
        for n in range(TOPICS):
            await records.create_topic(f"jobs-{n}", partitions=2)
        # Two groups have committed; all others count 1 for each of the two partitions.
        for n in (3, 4):
            await records.set_lag(f"workers-{n}", f"jobs-{n}", n)
        proxy.requests.clear()
        proxy.connections = 0
        yield proxy


@asynccontextmanager
async def opened(port: int, triggers: int) -> AsyncIterator[list[KafkaScaler]]:
    async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                KafkaScaler.open(
                    KafkaScaler.Config.model_validate(
                        {
                            "bootstrapServers": f"127.0.0.1:{port}",
                            "consumerGroup": f"workers-{n}",
                            "topic": f"jobs-{n % TOPICS}",
                        }
                    ),
                    connections,
                )
            )
            for n in range(triggers)
        ]


async def tick(scalers: list[KafkaScaler]) -> list[float | None]:
    async with asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(read_after_outage(scaler)) for scaler in scalers]
    return [read.result().value for read in reads]


def expected(triggers: int) -> list[float]:
    return [n if n in (3, 4) else 2 for n in range(triggers)]


async def test_300_groups_are_one_connection_and_two_requests_a_tick(server: KafkaServer, advertised_port: int) -> None:
    async with proxied(advertised_port, server) as proxy, opened(advertised_port, TRIGGERS) as scalers:
        await tick(scalers)
        first = proxy.connections
        proxy.requests.clear()
        assert await tick(scalers) == expected(TRIGGERS)
        assert proxy.requests == Counter({(OFFSET_FETCH, 8): 1, (LIST_OFFSETS, 3): 1})
        assert proxy.connections == first == 1


async def test_all_watched_topics_share_one_more_connection(server: KafkaServer, advertised_port: int) -> None:
    async with (
        proxied(advertised_port, server) as proxy,
        opened(advertised_port, 50) as scalers,
        AsyncExitStack() as it,
    ):
        await tick(scalers)
        everyone = [await it.enter_async_context(Wakeups(scaler)) for scaler in scalers]
        await until(lambda: all(wakeups.count for wakeups in everyone))
        assert proxy.connections == 2
        before = [wakeups.count for wakeups in everyone]
        await KafkaRecords(server.address).produce("jobs-1", 1)
        await until(lambda: all(everyone[n].count > before[n] for n in range(1, 50, TOPICS)))
        woken = {n % TOPICS for n in range(50) if everyone[n].count > before[n]}
        assert woken == {1}


async def test_brokers_that_answer_for_one_group_at_a_time_give_the_same_answers(
    server: KafkaServer, advertised_port: int
) -> None:
    async with (
        proxied(advertised_port, server, offset_fetch=5, find_coordinator=2) as proxy,
        opened(advertised_port, 30) as scalers,
    ):
        await tick(scalers)
        assert proxy.requests[FIND_COORDINATOR, 1] >= 30
        proxy.requests.clear()
        assert await tick(scalers) == expected(30)
        assert proxy.requests == Counter({(OFFSET_FETCH, 3): 30, (LIST_OFFSETS, 3): 1})
        assert proxy.connections == 1


async def test_a_broker_that_knows_no_version_that_is_sent_is_rejected(
    server: KafkaServer, advertised_port: int
) -> None:
    async with proxied(advertised_port, server) as proxy, opened(advertised_port, 1) as scalers:
        proxy._caps[LIST_OFFSETS] = 0
        with pytest.raises(SourceRejected, match="too old"):
            await read_after_outage(scalers[0])

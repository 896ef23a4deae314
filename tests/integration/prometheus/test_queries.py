"""What a real Prometheus answers: values, no values, several series, refusals; and how often it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S, read
from scaler.testing.leaks import no_leaks
from scaler.testing.servers.metrics_endpoint import MetricsEndpoint, Page
from scaler.testing.servers.prometheus import PrometheusServer
from scalers.prometheus.query import PrometheusScaler

pytestmark = pytest.mark.services

TRIGGERS = 300


@pytest.fixture(scope="module")
def server() -> Iterator[PrometheusServer]:
    with PrometheusServer.running() as running:
        yield running


@asynccontextmanager
async def opened(server: PrometheusServer, **parameters: str) -> AsyncIterator[Any]:
    config = PrometheusScaler.Config.model_validate({"serverAddress": server.url, "threshold": "5", **parameters})
    async with no_leaks(), SharedConnections() as connections, PrometheusScaler.open(config, connections) as scaler:
        yield scaler


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("vector(7.25)", 7.25),
        ("vector(-3)", -3),
        ("vector(1e308)", 1e308),
        ("vector(18446744073709551617)", 18446744073709551617.0),
        ("vector(NaN)", 0),
        ("vector(1)/0", 0),
        ("-vector(1)/0", 0),
        ("nothing_of_that_name", 0),
        ("vector(7) > 8", 0),
        ('label_replace(vector(4), "a", "b c&d", "", "")', 4),
    ],
)
async def test_a_query_has_its_value(server: PrometheusServer, query: str, value: float) -> None:
    async with opened(server, query=query) as scaler:
        assert (await read(scaler)).value == value


@pytest.mark.parametrize("query", ["vector(NaN)", "vector(1)/0", "nothing_of_that_name"])
async def test_no_value_is_unavailable_where_null_values_count(server: PrometheusServer, query: str) -> None:
    async with opened(server, query=query, ignoreNullValues="false") as scaler:
        with pytest.raises(SourceUnavailable, match="ignoreNullValues"):
            await read(scaler)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ('vector(1) or label_replace(vector(2), "a", "b", "", "")', "2 series"),
        ("7", "no instant vector"),
        ('"seven"', "no instant vector"),
        ("sum(", "refused the query: .*parse error"),
        ("vector(1) + on(a) group_left(b) nonsense(", "refused the query"),
    ],
)
async def test_a_query_that_cannot_give_one_value_is_rejected_and_says_why(
    server: PrometheusServer, query: str, why: str
) -> None:
    async with opened(server, query=query, ignoreNullValues="false") as scaler:
        with pytest.raises(SourceRejected, match=why):
            await read(scaler)


async def test_a_path_that_is_none_is_rejected(server: PrometheusServer) -> None:
    async with opened(server, query="vector(1)", serverAddress=f"{server.url}/elsewhere") as scaler:
        with pytest.raises(SourceRejected, match="404"):
            await read(scaler)


async def test_the_api_may_lie_under_a_path() -> None:
    with PrometheusServer.running(prefix="/select/0/prometheus") as server:
        address = f"{server.url}/select/0/prometheus/"
        async with opened(server, query="vector(3)", serverAddress=address, namespace="x") as scaler:
            assert (await read(scaler)).value == 3


async def test_many_triggers_are_one_request_for_each_distinct_query() -> None:
    counts: list[int] = []
    with MetricsEndpoint.running() as front:
        front.show("/api/v1/query", Page('{"data": {"result": [{"value": [1, "7"]}]}}'))
        async with (
            no_leaks(),
            SharedConnections(lambda _kind, count: counts.append(count)) as connections,
            AsyncExitStack() as stack,
        ):
            scalers = [
                await stack.enter_async_context(
                    PrometheusScaler.open(
                        PrometheusScaler.Config.model_validate(
                            {"serverAddress": front.url, "query": f"q{n % 3}", "threshold": str(n + 1)}
                        ),
                        connections,
                    )
                )
                for n in range(TRIGGERS)
            ]
            async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
                reads = [tasks.create_task(scaler.read()) for scaler in scalers]
            assert {task.result().value for task in reads} == {7}
        assert sorted(request["query"]["query"] for request in front.requests()) == ["q0", "q1", "q2"]
        assert max(counts) == 1


async def test_a_scraped_series_is_read() -> None:
    with MetricsEndpoint.running() as exporter:
        exporter.show("/metrics", Page("# TYPE jobs gauge\njobs 12\n"))
        with PrometheusServer.running(targets=[f"127.0.0.1:{exporter.port}"]) as server:
            async with opened(server, query="sum(jobs)") as scaler, asyncio.timeout(DEADLINE_S):
                while (await read(scaler)).value != 12:
                    await asyncio.sleep(0.05)

"""Answers of a real service that are late, large, cut off or of another kind; and many triggers on one service."""

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
from scalers.metrics_api.api import MetricsApiScaler

pytestmark = pytest.mark.services

TRIGGERS = 300


@pytest.fixture(scope="module")
def server() -> Iterator[MetricsEndpoint]:
    with MetricsEndpoint.running() as running:
        yield running


def config(server: MetricsEndpoint, **parameters: str) -> Any:
    return MetricsApiScaler.Config.model_validate(
        {"url": f"{server.url}/stats", "valueLocation": "waiting", "targetValue": "5", **parameters}
    )


@asynccontextmanager
async def opened(server: MetricsEndpoint, **parameters: str) -> AsyncIterator[Any]:
    async with (
        no_leaks(),
        SharedConnections() as connections,
        MetricsApiScaler.open(config(server, **parameters), connections) as scaler,
    ):
        yield scaler


@pytest.mark.parametrize(
    ("page", "parameters", "value"),
    [
        (Page('{"waiting": "2k"}'), {}, 2000),
        (Page('{"waiting": -4}'), {}, -4),
        (Page('{"x": [' + "1," * 1_000_000 + '1], "waiting": 3}'), {}, 3),
        (Page("waiting: 3\n" + "x: 1\n" * 2000), {"format": "yaml"}, 3),
        (
            Page("<waiting>" + "<x/>" * 200_000 + "<n>3</n></waiting>"),
            {"format": "xml", "valueLocation": "waiting.n"},
            3,
        ),
        (Page("other 1\n" * 300_000 + "waiting 3\n"), {"format": "prometheus"}, 3),
    ],
)
async def test_a_number_is_read(server: MetricsEndpoint, page: Page, parameters: dict[str, str], value: float) -> None:
    server.show("/stats", page)
    async with opened(server, **parameters) as scaler:
        assert (await read(scaler)).value == value


@pytest.mark.parametrize(
    ("page", "parameters", "why"),
    [
        (Page('{"waiting": 3'), {}, "no JSON"),
        (Page("<html>"), {}, "no JSON"),
        (Page('{"waiting": 3}', status=201), {}, "201"),
        (Page(status=204), {}, "204"),
        (Page("[" * 3_000_000), {}, "no JSON"),
        (Page(" " * (4 * 1024 * 1024 + 1)), {}, "larger than 4096 KiB"),
        (Page(" " * (1024 * 1024 + 1)), {"format": "xml"}, "larger than 1024 KiB"),
        (Page(" " * (64 * 1024 + 1)), {"format": "yaml"}, "larger than 64 KiB"),
        (Page("[" * 64 * 1024), {"format": "yaml"}, "no YAML"),
        (Page('{"waiting": 3}', headers={"Content-Encoding": "gzip"}), {}, "no proper HTTP"),
    ],
)
async def test_what_holds_no_number_is_an_error(
    server: MetricsEndpoint, page: Page, parameters: dict[str, str], why: str
) -> None:
    server.show("/stats", page)
    async with opened(server, **parameters) as scaler:
        with pytest.raises((SourceRejected, SourceUnavailable), match=why):
            await read(scaler)
        server.show("/stats", Page("waiting: 3" if parameters.get("format") == "yaml" else '{"waiting": 3}'))
        if parameters.get("format") != "xml":
            assert (await read(scaler)).value == 3


async def test_the_trigger_s_own_time_out_counts(server: MetricsEndpoint) -> None:
    server.show("/stats", Page('{"waiting": 3}'))
    async with opened(server, timeout="200") as scaler:
        await read(scaler)
        server.freeze()
        try:
            with pytest.raises(SourceUnavailable, match=r"no answer within 0\.2 s"):
                await scaler.read()
        finally:
            server.thaw()


async def test_many_triggers_are_one_request(server: MetricsEndpoint) -> None:
    server.show("/stats", Page('{"waiting": 3, "running": 4}'))
    counts: list[int] = []
    async with (
        no_leaks(),
        SharedConnections(lambda _kind, count: counts.append(count)) as connections,
        AsyncExitStack() as stack,
    ):
        scalers = [
            await stack.enter_async_context(
                MetricsApiScaler.open(config(server, valueLocation=("waiting", "running")[n % 2]), connections)
            )
            for n in range(TRIGGERS)
        ]
        before = len(server.requests())
        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(scaler.read()) for scaler in scalers]
        assert [task.result().value for task in reads] == [3 + n % 2 for n in range(TRIGGERS)]
        assert len(server.requests()) - before == 1
    assert max(counts) == 1

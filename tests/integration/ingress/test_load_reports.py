"""Load reports of a real Envoy: what is counted equals what is there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession

from scaler.ports.errors import SourceUnavailable
from scaler.ports.traffic import TrafficSample
from scaler.testing.leaks import until
from scaler.testing.observing import PATIENCE_S

if TYPE_CHECKING:
    from conftest import App, Front

pytestmark = pytest.mark.services

CLUSTERS = frozenset({"app/shop", "app/shop/h2"})


async def get(client: ClientSession, path: str) -> str:
    async with client.get(path) as response:
        return await response.text()


async def reports(front: Front, count: int = 1) -> None:
    """Wait for so many reports."""
    for _ in range(count):
        await front.proxies.next_report()


async def in_flight(front: Front, count: int) -> TrafficSample:
    """Wait until a report says so."""
    await until(lambda: front.traffic.with_replicas == count)
    await reports(front)
    sample = front.traffic.sample()
    assert sample.in_flight == count
    return sample


async def seen_over_the_release(front: Front, app: App, count: int) -> set[int]:
    """Return what was in flight until all of so many requests came to the app, and over the next reports."""
    seen, proxy = {front.traffic.sample().in_flight}, "test-envoy#1"
    async with asyncio.timeout(PATIENCE_S):
        while len(app.paths) < count:
            seen.add(front.traffic.sample().in_flight)
            await asyncio.sleep(0.001)
        deadline = front.proxies.reports[proxy] + 4
        while front.proxies.reports[proxy] < deadline:
            seen.add(front.traffic.sample().in_flight)
            await asyncio.sleep(0.001)
    assert len(app.paths) == count
    return seen


@pytest.fixture
async def watched(front: Front) -> None:
    """The app's clusters are reported."""
    front.reports.watch(CLUSTERS)
    # Reports that come next may be from before Envoy was told.
    await until(lambda: any(stream.named >= CLUSTERS for stream in front.reports._streams.values()))


async def test_it_is_unknown_until_the_proxy_has_reported(front_without_envoy: Front) -> None:
    front = front_without_envoy
    with pytest.raises(SourceUnavailable):
        front.traffic.sample()
    await asyncio.to_thread(front.envoy.start)
    await until(lambda: any(front.proxies.reports.values()))
    assert front.traffic.sample().in_flight == 0


@pytest.mark.usefixtures("watched")
async def test_short_requests_are_counted_and_none_stays(front: Front, client: ClientSession) -> None:
    for _ in range(5):
        await asyncio.gather(*(get(client, "/hot") for _ in range(20)))
    await until(lambda: front.traffic.sample().requests == 100)
    assert (await in_flight(front, 0)).requests == 100


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("path", ["/hot/slow", "/hot/stream"])
async def test_long_requests_and_streams_are_in_flight_until_they_end(
    front: Front, client: ClientSession, app: App, path: str
) -> None:
    requests = [asyncio.create_task(get(client, path)) for _ in range(6)]
    begin = await in_flight(front, 6)
    assert sum(map(front.traffic.in_flight_at, front.endpoints)) == 6
    assert all(map(front.traffic.in_flight_at, front.endpoints))
    await reports(front, 3)
    end = front.traffic.sample()
    assert end.request_seconds - begin.request_seconds == pytest.approx(6 * (end.at_s - begin.at_s))
    app.go.set()
    await asyncio.gather(*requests)
    assert (await in_flight(front, 0)).requests == 6


@pytest.mark.usefixtures("watched")
async def test_a_websocket_is_in_flight_while_it_is_open(front: Front, client: ClientSession) -> None:
    async with client.ws_connect("/hot"):
        await in_flight(front, 1)
        await reports(front, 3)
        assert front.traffic.sample().in_flight == 1
    await in_flight(front, 0)


@pytest.mark.usefixtures("watched")
async def test_over_its_release_every_request_counts_once(front: Front, client: ClientSession, app: App) -> None:
    requests = [asyncio.create_task(get(client, "/slow")) for _ in range(40)]
    await until(lambda: front.room.held == 40)
    begin = front.traffic.sample()
    front.room.open(1)
    assert await seen_over_the_release(front, app, 40) == {40}
    end = front.traffic.sample()
    assert end.request_seconds - begin.request_seconds == pytest.approx(40 * (end.at_s - begin.at_s))
    app.go.set()
    await asyncio.gather(*requests)
    assert (await in_flight(front, 0)).requests == 40


async def test_a_cluster_that_is_watched_just_before_the_release_is_counted_once(
    front: Front, client: ClientSession, app: App
) -> None:
    await reports(front)
    requests = [asyncio.create_task(get(client, "/slow")) for _ in range(10)]
    await until(lambda: front.room.held == 10)
    front.reports.watch(CLUSTERS)  # Envoy may hear of it before the requests, or after
    front.room.open(1)
    assert await seen_over_the_release(front, app, 10) == {10}
    app.go.set()
    await asyncio.gather(*requests)
    assert (await in_flight(front, 0)).requests == 10


@pytest.mark.usefixtures("watched")
async def test_an_endpoint_is_quiet_once_its_last_request_has_ended(
    front: Front, client: ClientSession, app: App
) -> None:
    endpoint = front.endpoints[0]
    await asyncio.wait_for(front.traffic.quiet(endpoint), PATIENCE_S)
    requests = [asyncio.create_task(get(client, "/hot/slow")) for _ in range(2)]
    await in_flight(front, 2)
    quiet = asyncio.create_task(front.traffic.quiet(endpoint))
    await reports(front, 4)
    assert not quiet.done()
    app.go.set()
    await asyncio.gather(*requests)
    await asyncio.wait_for(quiet, PATIENCE_S)


async def test_changes_without_end_do_not_keep_reports_away(front: Front) -> None:
    async def change() -> None:
        number = 0
        while True:
            number += 1
            front.reports.watch(CLUSTERS | {f"app/{number}"})
            await asyncio.sleep(0.05)

    changing = asyncio.create_task(change())
    await asyncio.wait_for(reports(front, 4), PATIENCE_S)
    changing.cancel()


@pytest.mark.usefixtures("watched")
async def test_a_proxy_that_dies_is_told_with_what_it_had(front: Front, client: ClientSession, app: App) -> None:
    requests = [asyncio.create_task(get(client, "/hot/slow")) for _ in range(3)]
    await in_flight(front, 3)
    await asyncio.to_thread(front.envoy.kill)
    front.reports.forget("test-envoy")
    await until(lambda: front.lost == [3])
    assert front.traffic.sample().in_flight == 0
    await asyncio.gather(*requests, return_exceptions=True)
    app.go.set()
    await asyncio.to_thread(front.envoy.start)
    await until(lambda: front.proxies.reports.get("test-envoy#1", 0) > 0)
    assert await get(client, "/hot")


@pytest.mark.usefixtures("watched")
async def test_a_proxy_that_comes_back_keeps_what_it_has(front: Front, client: ClientSession, app: App) -> None:
    request = asyncio.create_task(get(client, "/hot/slow"))
    await in_flight(front, 1)
    await front.stop_services()
    assert front.traffic.sample().in_flight == 1
    before = front.proxies.reports["test-envoy#1"]
    # Envoy tries again after 5 s.
    await front.start_services()
    await until(lambda: front.proxies.reports["test-envoy#1"] > before)
    assert (await in_flight(front, 1)).requests == 1
    assert front.lost == []
    app.go.set()
    await request
    await in_flight(front, 0)

"""An app's traffic: timelines of what is held, released and reported."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from scaler.ingress.load_reports import ClusterLoad, EndpointLoad
from scaler.ingress.proxies import Proxies
from scaler.ingress.traffic import ANSWERED_GAP_S, BRIDGE_ROUNDS, BRIDGE_S, AppTraffic
from scaler.model import Endpoint
from scaler.ports.errors import SourceUnavailable
from scaler.ports.recorder import HoldOutcome
from scaler.ports.traffic import TrafficSample
from scaler.testing import virtual_time

FIRST = Endpoint("127.0.0.1", 8001)
SECOND = Endpoint("127.0.0.1", 8002)
GONE, RELEASED = HoldOutcome.GONE, HoldOutcome.RELEASED


def load(endpoints: Mapping[Endpoint, tuple[int, int]]) -> ClusterLoad:
    """What a report says: requests in progress and issued by endpoint."""
    parts = {endpoint: EndpointLoad(*counts) for endpoint, counts in endpoints.items()}
    in_progress = sum(part.in_progress for part in parts.values())
    return ClusterLoad(in_progress, sum(part.issued for part in parts.values()), parts)


class Timeline:
    """One app `shop` with an endpoint, on a clock that stands still unless told."""

    def __init__(self, proxy: str | None = "envoy#1") -> None:
        self.now = 100.0
        self.lost: list[int] = []
        self.apps: dict[str, AppTraffic] = {}
        self.proxies = Proxies(self.apps, lambda cluster: cluster.split("/")[1], lost=self.lost.append)
        self.traffic = self.apps["shop"] = AppTraffic(self.proxies, lambda: self.now)
        self.traffic.serve([FIRST])
        if proxy:
            self.proxies.connected(proxy)
            self.report(proxy=proxy)

    def report(
        self,
        endpoints: Mapping[Endpoint, tuple[int, int]] | None = None,
        *,
        proxy: str = "envoy#1",
        cluster: str = "app/shop",
    ) -> TrafficSample:
        self.proxies.reported(proxy, {cluster: load(endpoints)} if endpoints else {})
        return self.sample()

    def arrive(self, count: int = 1) -> TrafficSample:
        for _ in range(count):
            self.traffic.arrived()
        return self.sample()

    def end(self, outcome: HoldOutcome, count: int = 1) -> TrafficSample:
        for _ in range(count):
            self.traffic.ended(outcome, 0.0)
        return self.sample()

    def sample(self) -> TrafficSample:
        return self.traffic.sample()


def test_a_held_request_is_in_flight_and_its_time_adds_up() -> None:
    line = Timeline()
    line.arrive()
    line.now += 2
    line.arrive()
    line.now += 3
    assert line.sample() == TrafficSample(105.0, in_flight=2, request_seconds=2 + 2 * 3, requests=2)
    assert line.traffic.held == 2


def test_a_released_request_counts_once_over_its_release() -> None:
    line = Timeline()
    line.arrive(3)
    assert line.end(RELEASED, 3).in_flight == 3
    assert line.report({FIRST: (1, 1)}).in_flight == 3, "one is on its way, two are not seen yet"
    assert line.report({FIRST: (3, 2)}).in_flight == 3
    assert line.report({FIRST: (1, 0)}).in_flight == 1, "two have ended"
    assert line.report().in_flight == 0
    assert line.sample().requests == 3


def test_a_released_request_that_ends_before_the_report_counts_until_then() -> None:
    line = Timeline()
    line.arrive()
    line.end(RELEASED)
    line.now += 0.2
    sample = line.report({FIRST: (0, 1)})
    assert (sample.in_flight, sample.requests) == (0, 1)
    assert sample.request_seconds == pytest.approx(0.2)


def test_a_released_request_that_no_report_tells_of_ends_in_time() -> None:
    line = Timeline()
    line.arrive()
    line.end(RELEASED)
    for _ in range(BRIDGE_ROUNDS):
        assert line.report().in_flight == 1
    line.now += BRIDGE_S + 10
    sample = line.sample()
    assert (sample.in_flight, sample.request_seconds) == (0, pytest.approx(BRIDGE_S))


def test_without_a_proxy_a_released_request_ends_in_time() -> None:
    line = Timeline()
    line.arrive()
    line.end(RELEASED)
    line.proxies.gone("envoy#1", 0)
    line.now += BRIDGE_S
    assert line.sample().in_flight == 0


def test_a_released_request_counts_once_however_late_the_report_is() -> None:
    """As when the proxy, or the service, got no processor for some seconds."""
    line = Timeline()
    line.arrive()
    line.end(RELEASED)
    line.now += BRIDGE_S + 2
    assert line.sample().in_flight == 1, "nobody has told otherwise"
    assert line.report().in_flight == 1, "it is about a time before"
    sample = line.report({FIRST: (1, 1)})
    assert (sample.in_flight, sample.requests) == (1, 1)
    assert line.report().in_flight == 0


def test_every_proxy_is_heard_before_a_released_request_ends() -> None:
    line = Timeline()
    line.proxies.connected("other#1")
    line.report(proxy="other#1")
    line.arrive()
    line.end(RELEASED)
    line.now += BRIDGE_S
    for _ in range(2 * BRIDGE_ROUNDS):
        assert line.report().in_flight == 1, "the other may have it"
    sample = line.report({FIRST: (1, 1)}, proxy="other#1")
    assert (sample.in_flight, sample.requests) == (1, 1)


def test_hot_requests_are_counted_as_issued_and_as_in_progress() -> None:
    line = Timeline()
    line.report({FIRST: (4, 7)})
    line.now += 0.25
    sample = line.report({FIRST: (4, 0)})
    assert sample == TrafficSample(100.25, in_flight=4, request_seconds=pytest.approx(1.0), requests=7)


def test_a_client_that_hangs_up_leaves_nothing() -> None:
    line = Timeline()
    line.arrive(200)
    assert line.end(GONE, 200).in_flight == 0


def test_clusters_and_proxies_add_up_and_a_dead_proxy_takes_its_own_along() -> None:
    line = Timeline()
    line.proxies.connected("other#1")
    line.proxies.reported("envoy#1", {"app/shop": load({FIRST: (2, 2)}), "app/shop/h2": load({FIRST: (3, 3)})})
    line.report({FIRST: (10, 10), SECOND: (5, 5)}, proxy="other#1")
    assert line.sample().in_flight == 20
    assert line.traffic.in_flight_at(FIRST) == 15
    assert line.traffic.in_flight_at(SECOND) == line.traffic.with_replicas - 15 == 5
    line.proxies.gone("other#1", 15)
    assert line.sample().in_flight == line.traffic.in_flight_at(FIRST) == 5
    assert line.lost == [15]


def test_reports_of_others_and_of_nobody_are_passed_by() -> None:
    line = Timeline()
    line.report({FIRST: (2, 2)}, cluster="app/other")
    assert line.sample().in_flight == 0


def test_nothing_is_known_until_every_proxy_has_reported() -> None:
    line = Timeline(proxy=None)
    with pytest.raises(SourceUnavailable, match="no proxy has reported"):
        line.sample()
    line.proxies.connected("envoy#1")
    line.proxies.connected("other#1")
    line.proxies.reported("envoy#1", {})
    with pytest.raises(SourceUnavailable, match="other#1 has not reported"):
        line.sample()
    assert line.report(proxy="other#1").in_flight == 0


def test_an_app_without_replicas_needs_no_report() -> None:
    line = Timeline(proxy=None)
    line.traffic.serve([])
    assert line.arrive().in_flight == 1


def test_a_proxy_that_is_back_is_known_by_what_it_reported() -> None:
    line = Timeline()
    line.report({FIRST: (2, 2)})
    line.proxies.connected("envoy#1")
    assert line.sample().in_flight == 2


def test_what_is_answered_without_a_replica_counts_unless_it_is_not_to_wake() -> None:
    line = Timeline()
    for outcome in (HoldOutcome.PAGE, HoldOutcome.REFUSED, HoldOutcome.FAILED):
        line.traffic.answered(outcome)
    line.traffic.answered(HoldOutcome.NOT_WAKING)
    assert (line.sample().requests, line.sample().in_flight) == (3, 0)


class Watch:
    """Somebody who waits for changes."""

    def __init__(self, line: Timeline) -> None:
        self.count = 0
        self._task = asyncio.create_task(self._count(line))

    async def _count(self, line: Timeline) -> None:
        async for _ in line.traffic.changes():
            self.count += 1
            line.sample()

    async def so_far(self) -> int:
        for _ in range(5):
            await asyncio.sleep(0)
        return self.count

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))


def test_a_first_request_wakes_at_once_and_many_are_one() -> None:
    async def story() -> None:
        line = Timeline()
        watch = Watch(line)
        assert await watch.so_far() == 0
        for _ in range(50):
            line.traffic.arrived()
        assert await watch.so_far() == 1
        for _ in range(20):
            line.traffic.arrived()
        assert await watch.so_far() == 1, "70 are not markedly more than 50"
        for _ in range(20):
            line.traffic.arrived()
        assert await watch.so_far() == 2
        line.end(GONE, 90)
        line.traffic.arrived()
        assert await watch.so_far() == 3
        await watch.stop()

    virtual_time.run(story())


def test_a_rise_that_proxies_report_wakes() -> None:
    async def story() -> None:
        line = Timeline()
        watch = Watch(line)
        await watch.so_far()
        line.proxies.reported("envoy#1", {"app/shop": load({FIRST: (4, 4)})})
        assert await watch.so_far() == 1
        line.proxies.reported("envoy#1", {"app/shop": load({FIRST: (5, 4)})})
        assert await watch.so_far() == 1
        line.proxies.reported("envoy#1", {"app/shop": load({FIRST: (6, 4)})})
        assert await watch.so_far() == 2
        await watch.stop()

    virtual_time.run(story())


def test_requests_that_are_there_already_wake_who_comes_later() -> None:
    async def story() -> None:
        line = Timeline()
        line.arrive()
        watch = Watch(line)
        assert await watch.so_far() == 1
        await watch.stop()

    virtual_time.run(story())


def test_requests_that_are_answered_at_once_wake_once_in_a_while() -> None:
    async def story() -> None:
        line = Timeline()
        watch = Watch(line)
        await watch.so_far()
        line.traffic.answered(HoldOutcome.NOT_WAKING)
        assert await watch.so_far() == 0
        for _ in range(10):
            line.traffic.answered(HoldOutcome.PAGE)
            await watch.so_far()
        assert watch.count == 1
        line.now += ANSWERED_GAP_S
        line.traffic.answered(HoldOutcome.PAGE)
        assert await watch.so_far() == 2
        await watch.stop()

    virtual_time.run(story())


class Drain:
    """Somebody who waits until an endpoint is quiet."""

    def __init__(self, line: Timeline) -> None:
        self._line = line
        self._task = asyncio.create_task(line.traffic.quiet(FIRST))

    async def done_after(self, *reports: tuple[int, int], proxy: str = "envoy#1") -> bool:
        await asyncio.sleep(0)
        for counts in reports:
            self._line.report({FIRST: counts} if any(counts) else None, proxy=proxy)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return self._task.done()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))


IDLE = (0, 0)


def test_quiet_is_two_idle_reports_about_times_after_the_call() -> None:
    async def story() -> None:
        drain = Drain(Timeline())
        assert not await drain.done_after(IDLE, IDLE), "the first is about a time that began before"
        assert await drain.done_after(IDLE)

    virtual_time.run(story())


@pytest.mark.parametrize("busy", [pytest.param((1, 0), id="in-progress"), pytest.param((0, 1), id="issued")])
def test_a_busy_report_begins_anew(busy: tuple[int, int]) -> None:
    async def story() -> None:
        drain = Drain(Timeline())
        assert not await drain.done_after(IDLE, IDLE, busy, IDLE)
        assert await drain.done_after(IDLE)

    virtual_time.run(story())


def test_a_busy_report_is_not_missed_when_several_come_at_once() -> None:
    async def story() -> None:
        line = Timeline()
        drain = Drain(line)
        await asyncio.sleep(0)
        for counts in (IDLE, (1, 0), IDLE):
            line.report({FIRST: counts})
        assert not await drain.done_after()
        await drain.stop()

    virtual_time.run(story())


def test_quiet_takes_every_proxy_and_one_that_is_gone_no_longer() -> None:
    async def story() -> None:
        line = Timeline()
        line.proxies.connected("other#1")
        line.report({FIRST: (1, 1)}, proxy="other#1")
        drain = Drain(line)
        assert not await drain.done_after(IDLE, IDLE, IDLE, IDLE)
        line.proxies.gone("other#1", 1)
        assert await drain.done_after()

    virtual_time.run(story())


def test_quiet_waits_for_a_proxy_where_none_is() -> None:
    async def story() -> None:
        line = Timeline(proxy=None)
        drain = Drain(line)
        assert not await drain.done_after()
        line.proxies.connected("envoy#1")
        assert not await drain.done_after(IDLE)
        assert await drain.done_after(IDLE)

    virtual_time.run(story())


def test_quiet_is_about_one_endpoint() -> None:
    async def story() -> None:
        line = Timeline()
        drain = Drain(line)
        await asyncio.sleep(0)
        for _ in range(3):
            line.report({SECOND: (9, 9)})
        assert await drain.done_after()

    virtual_time.run(story())

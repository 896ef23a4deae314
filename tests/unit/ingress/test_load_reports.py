"""Load reports without gRPC: what is read of a message, and what becomes of Envoys that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self, cast

from envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest

from scaler.ingress.load_reports import GRACE_S, INTERVAL_S, ClusterLoad, EndpointLoad, LoadReports, loads_of
from scaler.model import Endpoint
from scaler.testing import virtual_time

FIRST = ("127.0.0.1", 8001)
SECOND = ("127.0.0.1", 8002)


def report(clusters: Mapping[str, Mapping[tuple[str, int], tuple[int, int]]] | None = None) -> Any:
    """A message of Envoy `n`: requests in progress and issued by cluster and address."""
    message = LoadStatsRequest()
    message.node.id = "n"
    for name, endpoints in (clusters or {}).items():
        cluster = message.cluster_stats.add(cluster_name=name)
        cluster.load_report_interval.FromMilliseconds(250)
        for (host, port), (in_progress, issued) in endpoints.items():
            locality = cluster.upstream_locality_stats.add()
            stats = locality.upstream_endpoint_stats.add(
                total_requests_in_progress=in_progress, total_issued_requests=issued
            )
            stats.address.socket_address.address = host
            stats.address.socket_address.port_value = port
    return message


class Told:
    """What the listener was told."""

    def __init__(self) -> None:
        self.facts: list[tuple[object, ...]] = []

    def connected(self, proxy: str) -> None:
        self.facts.append(("connected", proxy))

    def reported(self, proxy: str, loads: Mapping[str, ClusterLoad]) -> None:
        self.facts.append((proxy, {name: (load.in_progress, load.issued) for name, load in loads.items()}))

    def gone(self, proxy: str, requests: int) -> None:
        self.facts.append(("gone", proxy, requests))


class Envoy:
    """The other end of a stream."""

    def __init__(self, reports: LoadReports) -> None:
        self.lists: list[list[str]] = []
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self._task = asyncio.create_task(reports._stream(self._sent(), cast("Any", self)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._messages.put_nowait(None)
        await self._task

    async def _sent(self) -> AsyncIterator[Any]:
        while (message := await self._messages.get()) is not None:
            yield message

    async def write(self, response: Any) -> None:
        assert response.load_reporting_interval.ToMilliseconds() == 1000 * INTERVAL_S
        assert response.report_endpoint_granularity
        self.lists.append(list(response.clusters))

    async def send(self, *messages: Any) -> None:
        for message in messages:
            self._messages.put_nowait(message)
        for _ in range(5):
            await asyncio.sleep(0)


def test_a_report_says_what_clusters_and_endpoints_have() -> None:
    message = report({"idle": {}, "app/shop": {FIRST: (2, 5), SECOND: (1, 0)}})
    assert loads_of(message) == {
        "app/shop": ClusterLoad(
            in_progress=3,
            issued=5,
            endpoints={Endpoint(*FIRST): EndpointLoad(2, 5), Endpoint(*SECOND): EndpointLoad(1, 0)},
        )
    }
    assert loads_of(message, issued=False)["app/shop"].issued == 0


def test_a_new_envoy_is_told_what_to_report_and_has_reported_with_its_second_message() -> None:
    async def story() -> None:
        told = Told()
        reports = LoadReports(told)
        reports.watch(frozenset({"b", "a"}))
        async with Envoy(reports) as envoy:
            await envoy.send(report())
            assert envoy.lists == [["a", "b"]]
            assert told.facts == [("connected", "n#1")]
            await envoy.send(report({"a": {FIRST: (2, 5)}}), report())
            assert told.facts[1:] == [("n#1", {"a": (2, 5)}), ("n#1", {})]
            assert reports.in_progress() == 0
        reports.close()

    virtual_time.run(story())


def test_what_a_cluster_has_when_it_is_first_told_of_was_issued() -> None:
    """The list may reach Envoy after the requests: it counts issued ones from then on only."""

    async def story() -> None:
        told = Told()
        reports = LoadReports(told)
        async with Envoy(reports) as envoy:
            await envoy.send(report(), report())
            reports.watch(frozenset({"a", "b"}))
            await envoy.send(report({"a": {FIRST: (3, 0), SECOND: (1, 2)}, "b": {}}))
            await envoy.send(report({"a": {FIRST: (3, 0)}, "b": {FIRST: (2, 1)}}))
            assert told.facts[2:] == [("n#1", {"a": (4, 5)}), ("n#1", {"a": (3, 0), "b": (2, 1)})]
            await envoy.send(report(), report({"a": {FIRST: (3, 1)}}))
            assert told.facts[-1] == ("n#1", {"a": (3, 3)}), "it was watched anew"
        reports.close()

    virtual_time.run(story())


def test_one_that_is_back_goes_on_and_what_it_issued_meanwhile_does_not_count() -> None:
    async def story() -> None:
        told = Told()
        reports = LoadReports(told)
        async with Envoy(reports) as envoy:
            await envoy.send(report(), report({"a": {FIRST: (2, 5)}}))
        assert reports.in_progress() == 2
        await asyncio.sleep(GRACE_S / 2)
        async with Envoy(reports) as envoy:
            await envoy.send(report({"a": {FIRST: (3, 900)}}))
            assert told.facts[2:] == [("connected", "n#1"), ("n#1", {"a": (3, 0)})]
            await asyncio.sleep(GRACE_S)
        assert ("gone", "n#1", 3) not in told.facts
        reports.close()

    virtual_time.run(story())


def test_one_that_stays_away_is_gone_with_what_it_had() -> None:
    async def story() -> None:
        told = Told()
        reports = LoadReports(told)
        async with Envoy(reports) as envoy:
            await envoy.send(report(), report({"a": {FIRST: (2, 5)}, "b": {SECOND: (4, 4)}}))
        await asyncio.sleep(GRACE_S + 1)
        assert told.facts[-1] == ("gone", "n#1", 6)
        assert reports.in_progress() == 0

    virtual_time.run(story())


def test_requests_that_it_had_held_are_lost_with_it() -> None:
    async def story() -> None:
        told = Told()
        reports = LoadReports(told, holds="holds")
        async with Envoy(reports) as envoy:
            await envoy.send(report(), report({"holds": {("", 0): (0, 1)}}))
            await envoy.send(report({"holds": {("", 0): (3, 3)}, "a": {FIRST: (2, 5)}}))
            reports.watch(frozenset({"a"}))
            await envoy.send(report({"holds": {("", 0): (4, 3)}, "a": {FIRST: (2, 5)}}))
            assert envoy.lists == [["holds"], ["a", "holds"]]
        await asyncio.sleep(GRACE_S + 1)
        assert told.facts[1:] == [("n#1", {}), ("n#1", {"a": (2, 5)}), ("n#1", {"a": (2, 5)}), ("gone", "n#1", 6)]

    virtual_time.run(story())


def test_nobody_is_waited_for_after_the_end() -> None:
    async def story() -> None:
        told = Told()
        reports = LoadReports(told)
        async with Envoy(reports) as envoy:
            await envoy.send(report(), report({"a": {FIRST: (2, 5)}}))
            reports.close()
        await asyncio.sleep(GRACE_S + 1)
        assert not [fact for fact in told.facts if fact[0] == "gone"]

    virtual_time.run(story())


def test_one_that_is_known_to_be_dead_is_gone_at_once() -> None:
    async def story() -> None:
        told = Told()
        reports = LoadReports(told)
        async with Envoy(reports) as envoy:
            await envoy.send(report(), report({"a": {FIRST: (2, 5)}}))
        reports.forget("n")
        assert told.facts[-1] == ("gone", "n#1", 2)
        async with Envoy(reports) as envoy:
            await envoy.send(report(), report({"a": {FIRST: (1, 1)}}))
            reports.forget("n")  # its stream is about to end
        assert told.facts[-1] == ("gone", "n#1", 1)

    virtual_time.run(story())


def test_envoys_of_one_bootstrap_are_told_apart() -> None:
    async def story() -> None:
        told = Told()
        reports = LoadReports(told)
        async with Envoy(reports) as first, Envoy(reports) as second:
            await first.send(report(), report({"a": {FIRST: (2, 2)}}))
            await second.send(report(), report({"a": {FIRST: (3, 3)}}))
            assert told.facts[-1] == ("n#2", {"a": (3, 3)})
            assert reports.in_progress() == 5
        reports.close()

    virtual_time.run(story())


def test_changes_of_the_list_are_sent_at_once_and_wait_for_a_report_that_is_late() -> None:
    async def story() -> None:
        reports = LoadReports(Told())
        async with Envoy(reports) as envoy:
            await envoy.send(report())
            reports.watch(frozenset({"a"}))
            await envoy.send()
            assert envoy.lists == [[], ["a"]]
            await asyncio.sleep(3 * INTERVAL_S)
            for names in ({"b"}, {"c"}, {"d"}):
                reports.watch(frozenset(names))
                await asyncio.sleep(0.01)
            assert envoy.lists[2:] == []
            await envoy.send(report())
            assert envoy.lists[2:] == [["d"]]
        reports.close()

    virtual_time.run(story())

"""The ingress as the engine and the actuators use it, with a proxy in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from envoy.config.cluster.v3 import cluster_pb2
from envoy.service.discovery.v3 import discovery_pb2

from scaler.ingress.ingress import Ingress
from scaler.ingress.settings import IngressSettings
from scaler.ingress.site import Site
from scaler.ingress.waiting_room import Refused, Released
from scaler.ingress.xds.naming import clusters_of
from scaler.ingress.xds.state import Kind
from scaler.model import (
    AddressRestriction,
    App,
    Container,
    CustomDomain,
    Endpoint,
    ForeignTarget,
    Replica,
    ReplicaState,
    Transport,
    Workload,
)
from scaler.model import Ingress as AppIngress
from scaler.ports.recorder import HoldOutcome, Recorder
from scaler.testing import virtual_time
from scaler.testing.observing import workload

READY, DRAINING = ReplicaState.READY, ReplicaState.DRAINING


def app(name: str = "web", **ingress: Any) -> Workload:
    given = AppIngress(**{"target_port": 8080, "external": True, **ingress})
    return workload(App((Container("web", "image"),), ingress=given), name)


def without_ingress(name: str = "web") -> Workload:
    return workload(App((Container("web", "image"),)), name)


def replica(state: ReplicaState = READY, *, port: int = 1) -> Replica:
    return Replica(str(port), f"web-{port}", "web", "v1", state, endpoint=Endpoint("10.0.0.1", port))


class Heard(Recorder):
    """Keeps what is told of requests and proxies."""

    def __init__(self) -> None:
        self.up: list[bool] = []
        self.rejected: list[tuple[tuple[str, ...], str]] = []
        self.outcomes: list[tuple[str, HoldOutcome]] = []
        self.held: dict[str, int] = {}

    def proxy_up(self, *, up: bool) -> None:
        self.up.append(up)

    def proxy_rejected(self, workloads: tuple[Workload, ...], *, error: str) -> None:
        self.rejected.append((tuple(each.name for each in workloads), error))

    def traffic(self, workload: Workload, *, held: int, in_flight: int) -> None:  # noqa: ARG002
        self.held[workload.name] = held

    def hold_ended(self, workload: Workload, *, held_s: float, outcome: HoldOutcome) -> None:  # noqa: ARG002
        self.outcomes.append((workload.name, outcome))


class Proxy:
    """Takes all that it is told, and asks for what it is told of; it is the stream's context, too."""

    def __init__(self) -> None:
        self._requests: asyncio.Queue[Any] = asyncio.Queue()
        self._clusters: tuple[str, ...] = ()
        self.gone = False
        for kind in (Kind.CLUSTERS, Kind.LISTENERS):
            self._ask(kind)

    async def read(self) -> Any:
        return await self._requests.get()

    async def write(self, response: Any) -> None:
        kind = Kind(response.type_url)
        names: tuple[str, ...] = ()
        if kind is Kind.CLUSTERS:
            self._clusters = tuple(sorted(_name(each.value) for each in response.resources))
            self._ask(Kind.ENDPOINTS, *self._clusters)
        elif kind is Kind.ENDPOINTS:
            names = self._clusters
        elif kind is Kind.LISTENERS:
            self._ask(Kind.ROUTES, "external")
        elif kind is Kind.ROUTES:
            names = ("external",)
        self._ask(kind, *names, nonce=response.nonce)

    def _ask(self, kind: Kind, *names: str, nonce: str = "") -> None:
        self._requests.put_nowait(
            discovery_pb2.DiscoveryRequest(type_url=kind.value, resource_names=names, response_nonce=nonce)
        )


def _name(cluster: bytes) -> str:
    return str(cluster_pb2.Cluster.FromString(cluster).name)


class World:
    """An ingress whose server is not started: a proxy is connected to it directly."""

    def __init__(self) -> None:
        self.heard = Heard()
        self.ingress = Ingress(IngressSettings(external_envoy=True), Path("/nowhere"), self.heard)
        self.tasks: list[asyncio.Task[object]] = []
        self._reporting: asyncio.Task[None] | None = None
        self.busy = False

    def go(self, work: Awaitable[object]) -> asyncio.Task[object]:
        task = asyncio.ensure_future(work)
        self.tasks.append(task)
        return task

    async def settle(self) -> None:
        for _ in range(400):
            await asyncio.sleep(0)

    async def connect(self) -> asyncio.Task[object]:
        proxy = self.go(self.ingress._discovery._serve(None, cast("Any", Proxy())))
        if self._reporting is None:
            self._reporting = asyncio.create_task(self._report())
            self.tasks.append(cast("asyncio.Task[object]", self._reporting))
        await self.settle()
        return proxy

    async def request(self, name: str = "web") -> asyncio.Task[object]:
        task = self.go(self.ingress._rooms[name].wait())
        await self.settle()
        return task

    async def serve(self, *replicas: Replica, name: str = "web") -> None:
        self.ingress.serve(name, replicas)
        await self.settle()

    def site(self, name: str = "web") -> Site | None:
        resources = self.ingress._discovery.snapshot().apps.get(name)
        return resources.site if resources else None

    async def _report(self) -> None:
        proxies = self.ingress._proxies
        proxies.connected("envoy")
        while True:
            proxies.reported("envoy", {})
            await asyncio.sleep(0.25)


def run(test: Callable[[World], Awaitable[None]], *, begun: bool = True) -> None:
    async def main() -> None:
        world = World()
        if begun:
            world.ingress.begin()
            await world.connect()
        try:
            await test(world)
        finally:
            for task in world.tasks:
                task.cancel()
            if world.tasks:
                await asyncio.wait(world.tasks)
            await world.ingress.__aexit__(None, None, None)
            assert asyncio.all_tasks() == {asyncio.current_task()}, "tasks are left behind"

    virtual_time.run(main())


def test_a_request_wakes_an_app_and_is_released_when_its_replica_is_ready() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(app())
        waiting = await world.request()
        traffic = world.ingress.traffic_of("web")
        assert traffic is not None
        assert traffic.sample().in_flight == 1
        await world.serve(replica())
        assert isinstance(waiting.result(), Released)
        site = world.site()
        assert site is not None
        assert (site.hot, len(site.backends)) == (True, 1)

    run(test)


def test_an_app_without_ingress_has_no_traffic_until_an_edit_gives_it_some() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(without_ingress())
        assert world.ingress.traffic_of("web") is None
        assert world.heard.up == [True]
        world.ingress.workload_removed(without_ingress())
        world.ingress.workload_added(app())
        assert world.ingress.traffic_of("web") is not None, "the loop that is made next follows it"
        await world.settle()
        await world.serve(replica())
        site = world.site()
        assert site is not None
        assert site.hot

    run(test)


def test_an_edit_takes_ingress_from_an_app_that_stays() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(app())
        await world.serve(replica())
        world.ingress.workload_removed(app())
        world.ingress.workload_added(without_ingress())
        await world.settle()
        site = world.site()
        assert site is not None
        assert not site.routed
        await world.serve(replica(DRAINING))
        assert await world.ingress.drain("web", replica(DRAINING)) is True
        await world.serve()
        assert (world.site(), world.ingress.traffic_of("web")) == (None, None)

    run(test)


def test_an_app_that_becomes_something_else_turns_its_waiters_away() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(app())
        waiting = await world.request()
        world.ingress.workload_removed(app())
        world.ingress.workload_added(workload(ForeignTarget("compose", "web"), "web"))
        await world.settle()
        assert isinstance(waiting.result(), Refused)
        assert world.heard.outcomes == [("web", HoldOutcome.FAILED)]
        assert (world.site(), list(world.ingress.apps)) == (None, [])

    run(test)


def test_an_app_that_is_removed_and_comes_back_while_it_drains_takes_requests_again() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(app())
        await world.serve(replica())
        world.ingress.workload_removed(app())
        await world.settle()
        await world.serve(replica(DRAINING))
        world.ingress.workload_added(app())
        waiting = await world.request()
        assert not waiting.done()
        assert await world.ingress.drain("web", replica(DRAINING)) is False
        await world.serve(replica())
        assert isinstance(waiting.result(), Released)

    run(test)


def test_an_app_that_is_removed_and_added_in_one_turn_keeps_its_waiters() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(app())
        waiting = await world.request()
        world.ingress.workload_removed(app())
        world.ingress.workload_added(app(target_port=9090))
        await world.settle()
        assert world.heard.held == {"web": 1}
        await world.serve(replica())
        assert isinstance(waiting.result(), Released)

    run(test)


def test_who_came_to_a_removed_app_at_the_last_moment_is_answered() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(app())
        await world.serve(replica())
        room = world.ingress._rooms["web"]
        world.ingress.workload_removed(app())
        await world.settle()
        # It opened again after waiters were turned away, and closed.
        await world.serve(replica(), replica(port=2))
        world.ingress.serve("web", (replica(ReplicaState.CRASHED),))
        await world.settle()
        waiting = world.go(room.wait())
        await world.settle()
        world.ingress.serve("web", ())
        await world.settle()
        assert isinstance(waiting.result(), Refused)

    run(test)


def test_what_is_wrong_with_an_app_is_told_by_its_name() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(app(restriction=AddressRestriction(allow=True, ranges=("nonsense",))))
        await world.settle()
        ((names, error),) = world.heard.rejected
        assert names == ("web",)
        assert "nonsense" in error
        world.ingress.workload_removed(app())
        world.ingress.workload_added(app())
        await world.settle()
        assert world.site() is not None

    run(test)


def test_a_domain_that_moves_between_apps_in_one_edit_is_no_conflict() -> None:
    async def test(world: World) -> None:
        domain = (CustomDomain("shop.example"),)
        world.ingress.workload_added(app("a"))
        world.ingress.workload_added(app("b", custom_domains=domain))
        await world.settle()
        for before, after in (
            (app("a"), app("a", custom_domains=domain)),
            (app("b", custom_domains=domain), app("b")),
        ):
            world.ingress.workload_removed(before)
            world.ingress.workload_added(after)
        await world.settle()
        assert world.heard.rejected == []

    run(test)


def test_replicas_that_were_found_before_their_app_are_its_own() -> None:
    async def test(world: World) -> None:
        world.ingress.serve("web", (replica(),))
        world.ingress.serve("gone", (replica(),))
        world.ingress.serve("gone", ())
        assert world.ingress.in_flight("gone") == {}
        assert await world.ingress.drain("gone", replica(DRAINING)) is True
        world.ingress.workload_added(app())
        await world.connect()
        site = world.site()
        assert site is not None
        assert (site.hot, len(site.backends)) == (True, 1), "requests that take the way of the last run find it"
        assert not world.ingress._rooms["web"].is_open
        world.ingress.begin()
        await world.settle()
        assert world.ingress._rooms["web"].is_open
        assert world.heard.up == [False, True]

    run(test, begun=False)


def test_an_app_that_is_known_no_more_stops_when_proxies_were_told() -> None:
    async def test(world: World) -> None:
        world.ingress.serve("web", (replica(),))
        await world.connect()
        world.ingress.serve("web", (replica(DRAINING),))
        drained = world.go(world.ingress.drain("web", replica(DRAINING)))
        await asyncio.sleep(1)
        assert not drained.done(), "proxies go on as the last run told them"
        world.ingress.begin()
        await world.settle()
        assert drained.result() is True

    run(test, begun=False)


def test_a_proxy_that_ends_and_comes_back_in_the_middle_of_a_drain_is_waited_for() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(app())
        await world.serve(replica())
        world.tasks[0].cancel()
        await world.settle()
        assert world.heard.up[-1] is False
        await world.serve(replica(DRAINING))
        drained = world.go(world.ingress.drain("web", replica(DRAINING)))
        await asyncio.sleep(5)
        assert not drained.done()
        await world.connect()
        assert await drained is True
        site = world.site()
        assert site is not None
        assert (site.hot, [each.draining for each in site.backends]) == (False, [True])

    run(test)


def test_a_proxy_that_ends_while_a_replica_starts_is_told_when_it_is_back() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(app())
        waiting = await world.request()
        world.tasks[0].cancel()
        await world.serve(replica())
        assert not waiting.done()
        await world.connect()
        assert isinstance(waiting.result(), Released)

    run(test)


def test_what_an_app_had_is_still_reported_when_its_transport_changes() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(app(transport=Transport.HTTP))
        await world.serve(replica())
        world.ingress.workload_removed(app())
        world.ingress.workload_added(app(transport=Transport.HTTP2))
        await world.settle()
        assert world.ingress._reports._clusters >= set(clusters_of("web", Transport.AUTO))

    run(test)


def test_no_replica_can_start_until_one_can() -> None:
    async def test(world: World) -> None:
        world.ingress.workload_added(app())
        waiting = await world.request()
        world.ingress.unstartable(app(), reason="no such image")
        await world.settle()
        refused = waiting.result()
        assert isinstance(refused, Refused)
        assert refused.reason == "no such image"
        assert isinstance((await world.request()).result(), Refused)
        world.ingress.actuation_recovered(app())
        assert not (await world.request()).done()

    run(test)

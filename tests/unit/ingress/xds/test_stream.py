"""The discovery of one Envoy, played by a test: the order of pushes, and what becomes of refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.service.discovery.v3 import discovery_pb2

from scaler.ingress.settings import IngressSettings
from scaler.ingress.site import Backend, Site
from scaler.ingress.xds.catalogue import Catalogue, Snapshot
from scaler.ingress.xds.resources import AppResources
from scaler.ingress.xds.state import Kind
from scaler.ingress.xds.stream import Stream
from scaler.model import Endpoint, Ingress, Transport

TYPES = {
    Kind.CLUSTERS: cluster_pb2.Cluster,
    Kind.ENDPOINTS: endpoint_pb2.ClusterLoadAssignment,
    Kind.LISTENERS: listener_pb2.Listener,
    Kind.ROUTES: route_pb2.RouteConfiguration,
}


def app(name: str, *ports: int, transport: Transport = Transport.HTTP, **ingress: Any) -> Site:
    backends = tuple(Backend(str(port), Endpoint("10.0.0.1", port)) for port in ports)
    return Site(name, Ingress(80, external=True, transport=transport, **ingress), backends)


class Envoy:
    """Answers pushes as Envoy does: it asks for the endpoints of its clusters before it has taken them."""

    def __init__(self) -> None:
        self.catalogue = Catalogue(IngressSettings())
        self.stream = Stream(self, self.take, instance="i")
        self.pushed: list[tuple[Kind, list[str]]] = []
        self.refusals: list[tuple[dict[str, AppResources], str]] = []
        self.refuses: Callable[[Kind, Any], str | None] = lambda _, __: None
        self.clusters: dict[str, bytes] = {}
        self.nonce = ""
        self.running: asyncio.Task[None] | None = None

    def snapshot(self) -> Snapshot:
        return self.catalogue.snapshot()

    def progressed(self) -> None:
        """Nobody waits."""

    def brought(self, snapshot: Snapshot) -> None:
        self.catalogue.accepted(snapshot.apps)

    def refused(self, apps: dict[str, AppResources], message: str) -> None:
        self.refusals.append((apps, message))
        for name, resources in apps.items():
            self.catalogue.refuse(name, resources, message)
        self.stream.stir()

    def ask(self, kind: Kind, *names: str, nonce: str = "", error: str | None = None) -> None:
        request = discovery_pb2.DiscoveryRequest(type_url=kind.value, resource_names=names, response_nonce=nonce)
        if error is not None:
            request.error_detail.message = error
        self.stream.receive(request)

    async def take(self, response: Any) -> None:
        kind = Kind(response.type_url)
        found = [TYPES[kind].FromString(each.value) for each in response.resources]
        self.pushed.append((kind, sorted(each.cluster_name if kind is Kind.ENDPOINTS else each.name for each in found)))
        self.nonce = response.nonce
        error = next((message for each in found if (message := self.refuses(kind, each))), None)
        names: tuple[str, ...] = ()
        if kind is Kind.CLUSTERS and error is None:
            self.clusters = {each.name: each.SerializeToString() for each in found}
            self.ask(Kind.ENDPOINTS, *self.clusters)
        elif kind is Kind.ENDPOINTS:
            names = tuple(self.clusters)
        elif kind is Kind.LISTENERS and error is None:
            self.ask(Kind.ROUTES, *(each.name for each in found))
        elif kind is Kind.ROUTES:
            names = ("external",)
        self.ask(kind, *names, nonce=response.nonce, error=error)

    async def settle(self) -> list[tuple[Kind, list[str]]]:
        """Let the stream work until it waits; return what was pushed since the last time."""
        self.running = self.running or asyncio.create_task(self.stream.run())
        self.stream.stir()
        for _ in range(400):
            await asyncio.sleep(0)
        pushed, self.pushed = self.pushed, []
        return pushed


@pytest.fixture
async def envoy() -> AsyncIterator[Envoy]:
    envoy = Envoy()
    envoy.ask(Kind.CLUSTERS)
    envoy.ask(Kind.LISTENERS)
    yield envoy
    if envoy.running is not None:
        envoy.running.cancel()


async def test_what_leads_somewhere_comes_after_it(envoy: Envoy) -> None:
    envoy.catalogue.put(app("a", 1))
    assert await envoy.settle() == [
        (Kind.CLUSTERS, ["app/a"]),
        (Kind.ENDPOINTS, ["app/a"]),
        (Kind.LISTENERS, ["external"]),
        (Kind.ROUTES, ["external"]),
    ]
    assert envoy.stream.has("a", envoy.catalogue.resources("a"))


async def test_only_what_changed_is_pushed(envoy: Envoy) -> None:
    for name in ("a", "b", "c"):
        envoy.catalogue.put(app(name, 1))
    await envoy.settle()
    envoy.catalogue.put(app("b", 1, 2))
    assert await envoy.settle() == [(Kind.ENDPOINTS, ["app/b"])]
    envoy.catalogue.put(app("b", 1, 2, request_timeout_s=5.0))
    assert await envoy.settle() == [(Kind.ROUTES, ["external"])]
    envoy.catalogue.put(app("b", 1, 2, request_timeout_s=5.0))
    assert await envoy.settle() == []


async def test_a_cluster_goes_after_the_routes_that_led_there(envoy: Envoy) -> None:
    envoy.catalogue.put(app("a", 1))
    envoy.catalogue.put(app("b", 1))
    await envoy.settle()
    envoy.catalogue.put(app("a", 1, transport=Transport.HTTP2))
    envoy.catalogue.drop("b")
    assert await envoy.settle() == [
        (Kind.CLUSTERS, ["app/a", "app/a/h2", "app/b"]),
        (Kind.ENDPOINTS, ["app/a/h2"]),
        (Kind.ROUTES, ["external"]),
        (Kind.CLUSTERS, ["app/a/h2"]),
    ]
    assert envoy.stream.has("b", None)


async def test_a_refused_app_is_found_among_many_and_the_others_are_pushed(envoy: Envoy) -> None:
    bad = {"app-13", "app-77"}

    def refuses(kind: Kind, each: Any) -> str | None:
        return "no" if kind is Kind.ROUTES and bad & {host.name for host in each.virtual_hosts} else None

    envoy.refuses = refuses
    for number in range(100):
        envoy.catalogue.put(app(f"app-{number}", 1))
    pushed = await envoy.settle()
    assert {name for apps, _ in envoy.refusals for name in apps} == bad
    assert all(envoy.stream.has(f"app-{n}", envoy.catalogue.resources(f"app-{n}")) for n in range(100))
    assert envoy.clusters.keys() == {f"app/app-{n}" for n in range(100)} - {f"app/{name}" for name in bad}
    assert len(pushed) < 45


async def test_a_refusal_that_names_the_app_takes_few_pushes(envoy: Envoy) -> None:
    def refuses(kind: Kind, each: Any) -> str | None:
        return f"cluster {each.name}: no" if kind is Kind.CLUSTERS and each.name == "app/app-13" else None

    envoy.refuses = refuses
    for number in range(100):
        envoy.catalogue.put(app(f"app-{number}", 1))
    await envoy.settle()
    assert [set(apps) for apps, _ in envoy.refusals] == [{"app-13"}]
    assert len(envoy.clusters) == 99


async def test_what_is_refused_whatever_it_is_costs_no_app_its_place(envoy: Envoy) -> None:
    envoy.refuses = lambda kind, _: "not today" if kind is Kind.CLUSTERS else None
    envoy.catalogue.put(app("a", 1))
    envoy.catalogue.put(app("b", 1))
    pushed = await envoy.settle()
    assert len([kind for kind, _ in pushed if kind is Kind.CLUSTERS]) < 8, "it is not tried again and again"
    assert envoy.refusals == [({}, "not today")]
    assert set(envoy.catalogue.snapshot().apps) == {"a", "b"}
    assert not envoy.stream.has("a", envoy.catalogue.resources("a"))
    envoy.refuses = lambda _, __: None
    await envoy.settle()
    assert envoy.stream.has("a", envoy.catalogue.resources("a"))


async def test_an_answer_to_an_older_push_is_none(envoy: Envoy) -> None:
    envoy.catalogue.put(app("a", 1))
    await envoy.settle()
    old = envoy.nonce
    take, waiting = envoy.stream._send, asyncio.Event()

    async def silent(_: Any) -> None:
        waiting.set()

    envoy.stream._send = silent
    envoy.catalogue.put(app("a", 1, 2))
    envoy.stream.stir()
    await waiting.wait()
    envoy.ask(Kind.ENDPOINTS, "app/a", nonce=old)
    envoy.ask(Kind.ROUTES, "external", nonce=old)
    await asyncio.sleep(0)
    assert not envoy.stream.has("a", envoy.catalogue.resources("a"))
    envoy.stream._send = take
    envoy.ask(Kind.ENDPOINTS, "app/a", nonce=f"i.{envoy.stream._number}")
    await envoy.settle()
    assert envoy.stream.has("a", envoy.catalogue.resources("a"))


async def test_an_envoy_that_does_not_answer_is_given_up() -> None:
    envoy = Envoy()

    async def silent(_: Any) -> None:
        """Take it, and say nothing."""

    stream = Stream(envoy, silent, instance="i", answer_timeout_s=0.01)
    stream.receive(discovery_pb2.DiscoveryRequest(type_url=Kind.CLUSTERS.value))
    with pytest.raises((TimeoutError, ExceptionGroup)):
        await stream.run()

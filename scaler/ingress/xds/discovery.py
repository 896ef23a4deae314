"""The discovery service (ADS): brings every connected Envoy to what is wanted, and knows what each has accepted."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import grpc.aio
import structlog
from envoy.service.discovery.v3 import discovery_pb2

from scaler.ingress.settings import IngressSettings
from scaler.ingress.site import Site
from scaler.ingress.xds.catalogue import Catalogue, Snapshot
from scaler.ingress.xds.resources import AppResources
from scaler.ingress.xds.stream import ANSWER_TIMEOUT_S, Stream
from scaler.model.ingress import DEFAULT_DNS_SUFFIX
from scaler.ports.errors import Permanent, ScalerError

log = structlog.get_logger(__name__)

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"


class SiteRejected(ScalerError, Permanent):
    """What was put of an app was refused, and is not tried again until something else is put."""


class Discovery:
    """What Envoys are to know. All methods belong to the thread of the event loop.

    Args:
        settings: Where to listen; with which certificates.
        dns_suffix: Domain of the names that apps know each other by.
        on_connected: Told how many Envoys are connected, whenever that changes.
        on_rejected: Told which apps an Envoy or our own check refused, wholly or in part, and why in words; no app
            when it is about the listeners. The rest goes on. A refused app stays with the ingress that was last
            accepted of it, while its replicas and its being hot go on; one that never was accepted is left out.
        answer_timeout_s: An Envoy that does not answer a push by then hangs: its stream is ended, and it is not waited
            for until it comes back.
    """

    def __init__(
        self,
        settings: IngressSettings,
        *,
        dns_suffix: str = DEFAULT_DNS_SUFFIX,
        on_connected: Callable[[int], None] = lambda _: None,
        on_rejected: Callable[[frozenset[str], str], None] = lambda _, __: None,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._on_connected = on_connected
        self._on_rejected = on_rejected
        self._answer_timeout_s = answer_timeout_s
        self._catalogue = Catalogue(settings, dns_suffix=dns_suffix)
        self._instance = secrets.token_hex(4)
        self._streams: set[Stream] = set()
        self._started = asyncio.Event()
        self._progress = asyncio.Event()
        self._stirring = False

    @property
    def connected(self) -> int:
        """How many Envoys are connected."""
        return len(self._streams)

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to a server that has not been started."""
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve,
            request_deserializer=discovery_pb2.DiscoveryRequest.FromString,
            response_serializer=discovery_pb2.DiscoveryResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {"StreamAggregatedResources": handler}),)
        )

    def start(self) -> None:
        """Begin to tell Envoys. Until then those that connect wait, and go on with what they have.

        To be called once everything that is known was put: what is missing then is taken from the Envoys.
        """
        self._started.set()

    @property
    def started(self) -> bool:
        """Whether Envoys are told."""
        return self._started.is_set()

    def configure(self, settings: IngressSettings) -> None:
        """Listen there from now on, and read the certificates again."""
        if flaws := self._catalogue.configure(settings):
            self._on_rejected(frozenset(), "; ".join(flaws))
        self._stir()

    def put(self, site: Site) -> None:
        """Want an app to be as this says.

        Changes of one turn of the event loop go out together, and what is wrong with them is told then: a host name
        may move from one app to another.
        """
        self._catalogue.put(site)
        self._stir()

    def drop(self, name: str) -> None:
        """Want an app to be gone, clusters included; nothing when it is not there."""
        self._catalogue.drop(name)
        self._stir()

    async def acknowledged(self, name: str) -> None:
        """Wait until at least one Envoy is connected, and all that are have what was put of this app until now.

        A dropped app is acknowledged once its routes and clusters are gone; one that was refused, once what is served
        in its place is there. It waits without limit: while no Envoy is connected, and before `start()`.

        Raises:
            SiteRejected: The app is left out, because an Envoy or our own check refused it; see `on_rejected`.
        """
        version = self._catalogue.version
        wanted = self._catalogue.resources(name)
        while True:
            if (reason := self._catalogue.refusal(name)) is not None:
                raise SiteRejected(f"app {name}: {reason}")
            latest = self._catalogue.resources(name)
            if self._streams and all(self._has(each, name, version, (wanted, latest)) for each in self._streams):
                return
            await self._progress.wait()

    def _has(self, stream: Stream, name: str, version: int, either: tuple[AppResources | None, ...]) -> bool:
        return stream.version >= version or any(stream.has(name, each) for each in either)

    def snapshot(self) -> Snapshot:
        """Return what is wanted now; see `stream.Wants`."""
        return self._catalogue.snapshot()

    def progressed(self) -> None:
        """Wake those who wait for an Envoy's word; see `stream.Wants`."""
        self._progress.set()
        self._progress = asyncio.Event()

    def brought(self, snapshot: Snapshot) -> None:
        """Take note of what is known to be acceptable; see `stream.Wants`."""
        self._catalogue.accepted(snapshot.apps)
        self.progressed()

    def refused(self, apps: dict[str, AppResources], message: str) -> None:
        """Go on without what an Envoy refused; see `stream.Wants`."""
        for name, resources in apps.items():
            self._catalogue.refuse(name, resources, message)
        self._on_rejected(frozenset(apps), message)
        self.progressed()
        self._stir()

    async def _serve(self, _: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        stream = Stream(self, context.write, instance=self._instance, answer_timeout_s=self._answer_timeout_s)
        self._streams.add(stream)
        log.info("envoy_connected", connected=self.connected)
        self._on_connected(self.connected)
        try:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self._run(stream), name="discovery")
                while (request := await context.read()) is not grpc.aio.EOF:
                    stream.receive(request)
                running.cancel()
        except* TimeoutError:
            log.error("envoy_does_not_answer")
        except* grpc.aio.BaseError:
            log.debug("discovery_stream_broken")  # it ended while something was being written to it
        finally:
            self._streams.discard(stream)
            log.info("envoy_gone", connected=self.connected)
            self._on_connected(self.connected)
            self.progressed()

    async def _run(self, stream: Stream) -> None:
        await self._started.wait()
        await stream.run()

    def _stir(self) -> None:
        if not self._stirring:
            self._stirring = True
            asyncio.get_running_loop().call_soon(self._stir_all)

    def _stir_all(self) -> None:
        self._stirring = False
        self._report()
        for stream in self._streams:
            stream.stir()

    def _report(self) -> None:
        """Tell what is wrong with apps by our own check."""
        for name, problems in self._catalogue.take_problems().items():
            self._on_rejected(frozenset((name,)), "; ".join(problems))

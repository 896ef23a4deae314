"""The ingress of a service: what it asks of proxies, and what the engine and the actuators ask of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from scaler.backoff import Backoff
from scaler.ingress import control_server, unary_server, urls
from scaler.ingress.envoy.process import EMBEDDED_NODE
from scaler.ingress.envoy.supervisor import EnvoySupervisor
from scaler.ingress.front import Front
from scaler.ingress.holding import METHOD, HoldingService
from scaler.ingress.load_reports import LoadReports
from scaler.ingress.proxies import Proxies
from scaler.ingress.settings import IngressSettings, Listen
from scaler.ingress.traffic import AppTraffic
from scaler.ingress.waiting_room import WaitingRoom
from scaler.ingress.xds import naming
from scaler.ingress.xds.discovery import Discovery
from scaler.model import App, Decision, Replica, Workload
from scaler.model.ingress import DEFAULT_DNS_SUFFIX
from scaler.ports.errors import ConfigError
from scaler.ports.recorder import Recorder
from scaler.ports.traffic import Traffic
from scaler.supervision import supervise

log = structlog.get_logger(__name__)

_NO_WAY = "only other apps may reach it, and there is no listener for them; name one with --ingress-internal"


class Ingress(Recorder):
    """One front for each app with ingress; a load balancer for actuators, and traffic for triggers.

    It learns of workloads as any recorder does. Proxies are told nothing before `begin`: what an earlier run told
    them stays until all that is there was found again.

    Args:
        settings: Where to listen.
        folder: Its own folder in the state dir.
        recorder: Is told what becomes of requests and proxies.
        dns_suffix: Domain of the names that apps know each other by.
    """

    def __init__(
        self,
        settings: IngressSettings,
        folder: Path,
        recorder: Recorder,
        *,
        dns_suffix: str = DEFAULT_DNS_SUFFIX,
    ) -> None:
        self.settings = settings
        self._folder = folder
        self._recorder = recorder
        self._fronts: dict[str, Front] = {}
        self._rooms: dict[str, WaitingRoom] = {}
        # Replicas that actuators found before the app was added.
        self._unclaimed: dict[str, Sequence[Replica]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._proxies = Proxies(self._fronts, naming.app_of, lost=self._lost)
        self._holding = HoldingService(self._rooms)
        self._reports = LoadReports(self._proxies, holds=naming.HOLD_CLUSTER)
        self._discovery = Discovery(
            settings, dns_suffix=dns_suffix, on_connected=self._proxies_connected, on_rejected=self._rejected
        )
        self._supervisor = (
            None if settings.external_envoy else EnvoySupervisor(folder, settings, on_died=self._proxy_died)
        )
        self._needed = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Listen for proxies. Raises ConfigError."""
        if self._supervisor is not None and self._supervisor.left_behind():
            self._needed.set()  # whether or not an app has ingress by now
        services = (self._discovery.register, self._reports.register)
        await self._stack.enter_async_context(control_server.serving(self._folder, services))
        await self._stack.enter_async_context(
            unary_server.serving(self._folder, naming.HOLD_SOCKET, METHOD, self._holding.check)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running.values():
            task.cancel()
        if self._running:
            await asyncio.wait(tuple(self._running.values()))
        self._reports.close()
        await self._stack.aclose()

    @property
    def apps(self) -> Collection[str]:
        """The names of apps with ingress."""
        return self._fronts.keys()

    def check(self) -> None:
        """Find out what would keep an embedded Envoy from serving. Raises ConfigError."""
        if self._supervisor is not None:
            self._supervisor.check()

    async def run(self) -> None:
        """Keep an embedded Envoy running from the moment that an app needs it, until cancelled."""
        await self.needed()
        backoff = Backoff(first_s=1, longest_s=30)
        while self._supervisor is not None:
            try:
                await self._supervisor.run()
            except ConfigError as error:
                log.error("ingress_off", error=str(error))
            await asyncio.sleep(backoff.next_delay())

    def begin(self) -> None:
        """All apps were added and all replicas that exist were served: proxies may be told."""
        self._holding.begin()
        self._discovery.start()

    async def needed(self) -> None:
        """Wait until an app has ingress, or an Envoy of an earlier run is there."""
        await self._needed.wait()

    def listen_internally(self, listens: tuple[Listen, ...]) -> None:
        """Have apps reach each other there, too."""
        self.settings = replace(self.settings, internal=listens)
        self.renew()

    def renew(self) -> None:
        """Read certificates again: they may have been renewed."""
        self._discovery.configure(self.settings)

    def traffic_of(self, workload: str) -> Traffic | None:
        """Return what is known of a workload's requests; None where it has no ingress."""
        front = self._fronts.get(workload)
        return front.traffic if front else None

    # What the engine records

    def workload_added(self, workload: Workload) -> None:
        """Give an app with ingress its front; one that had it keeps it, and all that waits there."""
        name = workload.name
        if not isinstance(workload.target, App) or workload.target.ingress is None:
            return
        front = self._fronts.get(name)
        if front is not None:
            front.configure(workload)
            return
        if not self._fronts:
            self._needed.set()
            self._recorder.proxy_up(up=self._discovery.connected > 0)
        if not urls.of(name, workload.target.ingress, self.settings):
            log.warning("app_not_reachable", workload=name, hint=_NO_WAY)
        front = self._fronts[name] = self._front(workload)
        self._rooms[name] = front.room
        front.configure(workload)  # not before: what is refused of it is told by its name
        front.serve(self._unclaimed.pop(name, ()))
        self._running[name] = asyncio.create_task(
            supervise(front.run, "ingress_failed", workload=name), name=f"ingress:{name}"
        )

    def workload_removed(self, workload: Workload) -> None:
        """Take no more requests for an app, unless it is only changed and comes back in the same turn."""
        front = self._fronts.get(workload.name)
        if front is not None:
            front.leave()
            asyncio.get_running_loop().call_soon(self._turn_away, workload.name)

    def unstartable(self, workload: Workload, *, reason: str) -> None:
        """Tell whoever waits that no replica can be started."""
        if front := self._fronts.get(workload.name):
            front.unstartable(reason)

    def actuation_recovered(self, workload: Workload) -> None:
        """Let requests wait again."""
        if front := self._fronts.get(workload.name):
            front.startable()

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:  # noqa: ARG002
        """At zero a new request is a new attempt, whatever became of the last."""
        front = self._fronts.get(workload.name)
        if front is not None and decision.desired == 0:
            front.startable()

    # What actuators ask (`LoadBalancer`)

    def serve(self, workload: str, replicas: Sequence[Replica]) -> None:
        """See `LoadBalancer.serve`."""
        front = self._fronts.get(workload)
        if front is not None:
            front.serve(replicas)
            if front.abandoned:
                self._forget(workload)
        elif replicas:
            self._unclaimed[workload] = replicas
        else:
            self._unclaimed.pop(workload, None)

    def in_flight(self, workload: str) -> Mapping[str, int]:
        """See `LoadBalancer.in_flight`."""
        front = self._fronts.get(workload)
        return front.in_flight() if front else {}

    async def drain(self, workload: str, replica: Replica) -> bool:
        """See `LoadBalancer.drain`."""
        if front := self._fronts.get(workload):
            return await front.drain(replica)
        if self._discovery.connected:
            # An app that left the configuration while no service ran: proxies go on with it until they are told.
            await self._discovery.acknowledged(workload)
        return True

    def _front(self, workload: Workload) -> Front:
        traffic = AppTraffic(self._proxies, time.monotonic)
        return Front(
            workload, discovery=self._discovery, traffic=traffic, recorder=self._recorder, watched=self._watch_loads
        )

    def _turn_away(self, name: str) -> None:
        front = self._fronts.get(name)
        if front is not None and not front.site.routed:
            front.turn_away()
            if front.abandoned:
                self._forget(name)

    def _forget(self, name: str) -> None:
        # A proxy that has not heard yet may have sent more, and the room may have been open since.
        self._fronts.pop(name).turn_away()
        del self._rooms[name]
        self._running.pop(name).cancel()
        self._discovery.drop(name)
        self._watch_loads()

    def _watch_loads(self) -> None:
        """Have reports of the apps that have replicas.

        Whatever their transport: proxies may still have clusters of another, and pass over those that they have not.
        """
        self._reports.watch(
            frozenset(
                cluster
                for name, front in self._fronts.items()
                if front.site.backends
                for cluster in (naming.h1_cluster(name), naming.h2_cluster(name))
            )
        )

    def _proxies_connected(self, count: int) -> None:
        self._recorder.proxy_up(up=count > 0)

    def _proxy_died(self) -> None:
        """What it had is lost now; it would else count until it is certain that it does not come back."""
        self._reports.forget(EMBEDDED_NODE)

    def _lost(self, requests: int) -> None:
        log.warning("proxy_lost", requests_held_and_in_flight=requests)
        self._recorder.proxy_lost(requests=requests)

    def _rejected(self, apps: frozenset[str], message: str) -> None:
        log.error("proxy_configuration_rejected", workloads=sorted(apps), error=message)
        workloads = tuple(self._fronts[name].workload for name in sorted(apps) if name in self._fronts)
        self._recorder.proxy_rejected(workloads, error=message)

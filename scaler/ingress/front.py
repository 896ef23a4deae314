"""One app between its clients and its replicas: which way its requests take, in steps that proxies acknowledge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from scaler.ingress.load_reports import ClusterLoad
from scaler.ingress.site import Backend, Site, Sites
from scaler.ingress.traffic import BRIDGE_S, AppTraffic
from scaler.ingress.waiting_room import WaitingRoom
from scaler.ingress.xds.discovery import SiteRejected
from scaler.model import App, Ingress, Replica, ReplicaState, Workload, staying
from scaler.ports.recorder import HoldOutcome, Recorder

# Between the last release and the moment that proxies lose the replicas: what was released is on its way for longer
# than an answer takes from here to a proxy's worker.
RELEASE_SETTLES_S = 0.25
# What a client is told to wait when no replica can start; crashed ones are started again after 10 s and more.
RETRY_AFTER_S = 10

# Those that get requests, and those that get no more but may have some: a replica that is too busy to pass its probe
# has the most of all, and proxies report only of endpoints that they know.
_SERVED = frozenset({ReplicaState.READY, ReplicaState.NOT_READY, ReplicaState.DRAINING})


class Front:
    """Keeps what proxies know of one app in step with its replicas, and its waiting room open while they serve.

    It goes from cold to hot as endpoints, then the room, then the route; and back as the route, then the room, then
    endpoints: at no moment does a request reach a proxy that has nowhere to send it and does not hold it. It takes
    requests from the first `configure` on.

    Args:
        workload: The app, with ingress.
        discovery: Tells the proxies.
        traffic: What it has in flight.
        recorder: Is told of requests.
        watched: Called when the app has, or no longer has, replicas whose load is to be reported.

    Attributes:
        room: Where its requests are held.
    """

    def __init__(
        self,
        workload: Workload,
        *,
        discovery: Sites,
        traffic: AppTraffic,
        recorder: Recorder,
        watched: Callable[[], None],
    ) -> None:
        self.workload = workload
        self.traffic = traffic
        self.room = WaitingRoom(self.ingress.hold, self)
        self._discovery = discovery
        self._recorder = recorder
        self._watched = watched
        self._replicas: tuple[Replica, ...] = ()
        self._site = Site(workload.name, self.ingress, routed=False)
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._wanted = asyncio.Event()
        self._record_again: asyncio.TimerHandle | None = None

    @property
    def ingress(self) -> Ingress:
        """What the manifest says."""
        target = self.workload.target
        assert isinstance(target, App)  # noqa: S101 - only such workloads have a front
        assert target.ingress is not None  # noqa: S101 - as above
        return target.ingress

    @property
    def site(self) -> Site:
        """What proxies were last told."""
        return self._site

    @property
    def abandoned(self) -> bool:
        """Whether the app has left the configuration and its last replica is gone."""
        return not self._site.routed and not self._replicas

    def configure(self, workload: Workload) -> None:
        """Go over to what the manifest says; requests that are held stay held."""
        self.workload = workload
        self.room.hold = self.ingress.hold
        self.room.recovered()
        self._tell(ingress=self.ingress, routed=True)
        self._judge()
        self._record()

    def leave(self) -> None:
        """Take no request any more, since the app left the configuration; those in flight end."""
        self._tell(routed=False)

    def turn_away(self) -> None:
        """Tell those who wait for an app that has left for good."""
        self.room.fail("this app was removed", RETRY_AFTER_S)

    def serve(self, replicas: Sequence[Replica]) -> None:
        """Take note of all replicas."""
        before, self._replicas = _served(self._replicas), tuple(replicas)
        served = _served(self._replicas)
        if before != served:
            self.traffic.serve([backend.endpoint for backend in served])
            self._settled.clear()
            self._changed.set()
            self._wanted.set()
        self._judge()

    def unstartable(self, reason: str) -> None:
        """No replica can be started: whoever waits is told why."""
        if not self._ready():
            self.room.fail(reason, RETRY_AFTER_S)

    def startable(self) -> None:
        """A start may succeed again."""
        if self._site.routed:
            self.room.recovered()

    def in_flight(self) -> Mapping[str, int]:
        """See `LoadBalancer.in_flight`."""
        return {backend.replica: self.traffic.in_flight_at(backend.endpoint) for backend in _served(self._replicas)}

    async def drain(self, replica: Replica) -> bool:
        """See `LoadBalancer.drain`."""
        drained = asyncio.create_task(self._drained(replica), name=f"drain:{replica.name}")
        missed = asyncio.create_task(self._missed(), name=f"missed:{replica.name}")
        try:
            await asyncio.wait((drained, missed), return_when=asyncio.FIRST_COMPLETED)
            if drained.done():
                drained.result()  # a bug is not to look like an end
            return not missed.done()
        finally:
            for task in (drained, missed):
                task.cancel()
            await asyncio.wait((drained, missed))

    async def run(self) -> None:
        """Keep proxies in step until cancelled."""
        self._changed.set()  # what an earlier run of this did not bring to its end
        while True:
            await self._changed.wait()
            self._changed.clear()
            if await self._advance():
                self._settled.set()

    # What its waiting room tells (`HoldObserver`), and what proxies report (`Reported`)

    def arrived(self) -> None:
        """See `HoldObserver.arrived`."""
        self.traffic.arrived()
        self._wanted.set()
        self._record()

    def ended(self, outcome: HoldOutcome, held_s: float) -> None:
        """See `HoldObserver.ended`."""
        self.traffic.ended(outcome, held_s)
        self._recorder.hold_ended(self.workload, held_s=held_s, outcome=outcome)
        self._record()

    def answered(self, outcome: HoldOutcome) -> None:
        """See `HoldObserver.answered`."""
        self.traffic.answered(outcome)
        self._recorder.hold_ended(self.workload, held_s=0.0, outcome=outcome)

    def reported(self, proxy: str, number: int, loads: Iterable[ClusterLoad]) -> None:
        """See `Reported.reported`."""
        self.traffic.reported(proxy, number, loads)
        self._record()

    def proxy_gone(self, proxy: str) -> None:
        """See `Reported.proxy_gone`."""
        self.traffic.proxy_gone(proxy)
        self._record()

    def _record(self) -> None:
        self._recorder.traffic(self.workload, held=self.traffic.held, in_flight=self.traffic.with_replicas)
        # No report tells of a released request whose client hung up before it was given to a replica.
        if self.traffic.released and self._record_again is None:
            self._record_again = asyncio.get_running_loop().call_later(BRIDGE_S, self._bridged)

    def _bridged(self) -> None:
        self._record_again = None
        self._record()

    async def _advance(self) -> bool:
        """Bring about what the replicas call for; return False as soon as they have changed again."""
        ready, draining = self._ready(), self._draining()
        if ready:
            # Before proxies may be told, an earlier run's may be sending requests straight to these: they go on so.
            if not await self._acknowledged(
                backends=(*ready, *draining), hot=self._site.hot or not self._discovery.started
            ):
                return False
            self.room.open(len(ready))
            return await self._acknowledged(hot=True)
        leaving = any(replica.state is ReplicaState.DRAINING for replica in self._replicas)
        if leaving and not await self._acknowledged(hot=False):
            return False
        self.room.close()
        if leaving:
            with suppress(TimeoutError):
                async with asyncio.timeout(RELEASE_SETTLES_S):
                    await self._changed.wait()
        return await self._acknowledged(hot=False, backends=draining)

    async def _acknowledged(self, *, hot: bool, backends: tuple[Backend, ...] | None = None) -> bool:
        """Tell the proxies, and return True once all have taken it, False when the replicas changed before."""
        if self._changed.is_set():
            return False
        self._tell(hot=hot, backends=backends)
        acknowledged = asyncio.create_task(self._discovery.acknowledged(self.workload.name))
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait((acknowledged, changed), return_when=asyncio.FIRST_COMPLETED)
            if acknowledged.done():
                # Who rejects it reports it. Proxies have nothing of the app then, so that any step is safe, and all
                # are done when it is mended.
                with suppress(SiteRejected):
                    acknowledged.result()
            return not self._changed.is_set()
        finally:
            for task in (acknowledged, changed):
                task.cancel()
            await asyncio.wait((acknowledged, changed))

    def _tell(
        self,
        *,
        ingress: Ingress | None = None,
        hot: bool | None = None,
        backends: tuple[Backend, ...] | None = None,
        routed: bool | None = None,
    ) -> None:
        before = self._site
        self._site = Site(
            before.name,
            before.ingress if ingress is None else ingress,
            before.backends if backends is None else backends,
            before.hot if hot is None else hot,
            before.routed if routed is None else routed,
        )
        if self._site == before:
            return
        self._discovery.put(self._site)
        if bool(self._site.backends) != bool(before.backends):
            self._watched()

    async def _drained(self, replica: Replica) -> None:
        while True:
            await self._settled.wait()
            if replica.endpoint is not None:
                await self.traffic.quiet(replica.endpoint)
            if self._settled.is_set():
                return

    async def _missed(self) -> None:
        """Return when a request waits and no replica is there to take it."""
        while self._ready() or not self.room.held:
            self._wanted.clear()
            await self._wanted.wait()

    def _ready(self) -> tuple[Backend, ...]:
        return tuple(backend for backend in _served(self._replicas) if not backend.draining)

    def _draining(self) -> tuple[Backend, ...]:
        return tuple(backend for backend in _served(self._replicas) if backend.draining)

    def _judge(self) -> None:
        """Tell those who wait when all replicas keep ending, and let them wait again when one is on its way.

        The first end is none of those: a restart follows at once.
        """
        standing = staying(self._replicas)
        ended = [each for each in standing if each.state is ReplicaState.CRASHED and each.restarts]
        if standing and len(ended) == len(standing):
            why = next((each.detail for each in ended if each.detail), "")
            if why:  # else the next listing tells
                # After a colon come the engine's own words, which may name paths of its host: not for clients.
                self.unstartable(f"its replica does not stay up: {why.partition(':')[0]}")
        elif any(each.state is not ReplicaState.CRASHED for each in standing):
            self.startable()


def _served(replicas: Sequence[Replica]) -> tuple[Backend, ...]:
    return tuple(
        Backend(replica.id, replica.endpoint, draining=replica.state is not ReplicaState.READY)
        for replica in replicas
        if replica.state in _SERVED and replica.endpoint is not None
    )

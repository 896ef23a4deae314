"""The actuator that all kinds of engine share: replicas follow counts, whatever the engine calls them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import structlog

from scaler.actuators.changed_names import ChangedNames
from scaler.actuators.crashes import CrashBackoff
from scaler.actuators.draining import Drains
from scaler.actuators.keeping import Keeper
from scaler.actuators.operations import Operations, outcome
from scaler.actuators.planning import plan
from scaler.actuators.port_check import Connect, connect
from scaler.actuators.runtime import Blueprint, Runtime, Unit, UnitState, blueprint, new_name
from scaler.actuators.serving import Serving
from scaler.actuators.snapshot import Snapshot
from scaler.model import App, Replica, ReplicaState, Workload
from scaler.ports.actuator import Actuator, Applied, Usage
from scaler.ports.errors import EngineUnavailable, ReplicaRejected
from scaler.ports.load_balancer import LoadBalancer, NoLoadBalancer

log = structlog.get_logger(__name__)

# Domain of the host names that replicas are told; `.internal` is reserved for private use.
DEFAULT_DNS_SUFFIX = "scaler.internal"
# As long does entering wait at most until it is known which of the adopted replicas serve.
_ADOPTION_S = 2.0
# Listings that begin this long after a run was seen to end know of it.
_END_LISTED_S = 1.0


class ReplicaActuator(Actuator):
    """Makes units of a `Runtime` match the wanted counts.

    What exists is always what the runtime lists. Memory holds only what no listing can: the manifests' apps, the
    verdicts of probes, crash back-off, drains, and calls that are under way.

    Args:
        runtime: The engine, for one owner.
        balancer: What gives requests to replicas of apps with ingress.
        backoff: Waits before restarts in place.
        listing_max_age_s: A listing older than this is read again although no event asked for it.
        retry_s: Wait before asking an engine again that did not answer.
        dns_suffix: Domain of the injected host names.
        connect: How it is seen whether a replica's port accepts connections.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        balancer: LoadBalancer | None = None,
        backoff: CrashBackoff | None = None,
        listing_max_age_s: float = 1.0,
        retry_s: float = 1.0,
        dns_suffix: str = DEFAULT_DNS_SUFFIX,
        connect: Connect = connect,
    ) -> None:
        self._runtime = runtime
        self._retry_s = retry_s
        self._dns_suffix = dns_suffix
        self._balancer = balancer or NoLoadBalancer()
        self._snapshot = Snapshot(runtime.units, self._absorb, max_age_s=listing_max_age_s)
        self._keeper = Keeper(
            runtime,
            blueprint_of=self._blueprint_of,
            leaving=lambda unit_id: unit_id in self._drains,
            started=self._note,
            acted=self._stale,
            reported=self._report,
            backoff=backoff or CrashBackoff(),
            retry_s=retry_s,
            connect=connect,
        )
        self._drains = Drains(
            self._balancer, replica_of=self._replica, stop=self._stop, changed=self._report, retry_s=retry_s
        )
        self._serving = Serving(self._balancer, self._replica)
        self._apps: dict[str, dict[str, App]] = {}
        self._applied: set[str] = set()
        self._operations = Operations(self._stale)
        self._seen: dict[str, dict[str, Any]] = {}
        self._changed = ChangedNames()
        self._ended: dict[str, tuple[float | None, float]] = {}
        self._news = asyncio.Event()
        self._upkeep: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._runtime.open(self._stale, self._run_ended)
        self._upkeep = asyncio.create_task(self._snapshot.follow(retry_s=self._retry_s), name="actuator:upkeep")
        self._stale()
        try:
            await self._adopt()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.wait([self._upkeep])
            self._upkeep = None
        await self._operations.settle()
        await self._drains.close()
        await self._snapshot.settle()
        await self._keeper.close()
        await self._runtime.close()

    async def observe(self, workload: Workload) -> tuple[Replica, ...]:
        """See `Actuator.observe`."""
        self._remember(workload)
        units = (await self._snapshot.current()).get(workload.name, ())
        return tuple(map(self._replica, units))

    async def owned(self) -> Mapping[str, tuple[Replica, ...]]:
        """See `Actuator.owned`."""
        return {name: tuple(map(self._replica, units)) for name, units in (await self._snapshot.get()).items()}

    async def usage(self, workload: Workload) -> tuple[Usage, ...]:
        """See `Actuator.usage`."""
        units = (await self._snapshot.get()).get(workload.name, ())
        running = [unit.id for unit in units if unit.state is UnitState.RUNNING and not unit.stopping]
        return tuple(await self._runtime.usage(running)) if running else ()

    def changes(self) -> AsyncIterator[str]:
        """See `Actuator.changes`."""
        return self._changed.follow()

    async def apply(self, workload: Workload, count: int) -> Applied:
        """See `Actuator.apply`."""
        app = self._remember(workload)
        if app is None:
            raise ReplicaRejected(f"{workload.name}: this actuator runs apps only, not what runs elsewhere")
        await self._operations.settled(workload.name)
        units = (await self._snapshot.current()).get(workload.name, ())
        in_flight = self._balancer.in_flight(workload.name)
        steps = plan([self._replica(unit) for unit in units], app.revision, count, in_flight)
        self._drains.call_back(workload.name, [replica.id for replica in steps.call_back])
        victims = {replica.id for replica in steps.stop}
        unstarted = [
            unit for unit in units if unit.state is UnitState.CREATED and not unit.stopping and unit.id not in victims
            and unit.revision == app.revision
        ]  # fmt: skip
        drained, stops = self._end(workload.name, [unit for unit in units if unit.id in victims])
        starts: list[asyncio.Task[str]] = []
        try:
            if unstarted or steps.create:
                blueprint("", workload.name, app, dns_suffix=self._dns_suffix)  # is it runnable at all?
                await self._runtime.prepare(app)
            plans = [self._blueprint(new_name(workload.name, app), workload.name, app) for _ in range(steps.create)]
            starts = [self._operations.begin(workload.name, self._resume(unit, app)) for unit in unstarted]
            starts += [self._operations.begin(workload.name, self._create(each)) for each in plans]
        finally:
            if stops or starts:
                await asyncio.wait([*stops, *starts])
            if workload.name not in self._applied:
                self._applied.add(workload.name)  # not before: what the first count stops is not to be restarted
                self._stale()
        revisions = {app.revision, *(unit.revision for unit in units)}
        self._apps[workload.name] = {
            revision: known for revision, known in self._apps[workload.name].items() if revision in revisions
        }
        return outcome(stops, starts, drained)

    async def remove(self, workload_name: str) -> None:
        """See `Actuator.remove`."""
        self._applied.discard(workload_name)
        self._apps.pop(workload_name, None)
        await self._operations.settled(workload_name)
        while True:
            news = self._news
            units = (await self._snapshot.get()).get(workload_name, ())
            if not units:
                return await self._keeper.settle()
            staying = [unit for unit in units if not unit.stopping and unit.id not in self._drains]
            _, stops = self._end(workload_name, staying)
            if stops:
                await asyncio.wait(stops)
                for task in stops:
                    task.result()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._retry_s):
                    await news.wait()

    def _end(self, workload: str, units: Sequence[Unit]) -> tuple[list[str], list[asyncio.Task[str]]]:
        """Begin to end units: those that may have requests drain first. Return their names, and the others' stops."""
        serving = {ReplicaState.READY, ReplicaState.NOT_READY}
        drained = [unit for unit in units if unit.port is not None and self._replica(unit).state in serving]
        self._drains.begin(workload, drained)
        stops = [self._operations.begin(workload, self._stop(unit)) for unit in units if unit not in drained]
        return [unit.name for unit in drained], stops

    async def _stop(self, unit: Unit) -> str:
        await self._keeper.stop(unit)
        self._stale()
        return unit.name

    async def _resume(self, unit: Unit, app: App) -> str:
        new = self._blueprint(unit.name, unit.workload, app)
        try:
            started = await self._runtime.start(unit.id, new)
        except ReplicaRejected:
            await self._runtime.remove(unit.id)
            raise
        return self._begun(started, new)

    async def _create(self, new: Blueprint) -> str:
        return self._begun(await self._runtime.launch(new), new)

    def _begun(self, started: Unit | None, new: Blueprint) -> str:
        if started is not None:
            self._note(started)
        return new.name

    # The picture of what exists.

    def _remember(self, workload: Workload) -> App | None:
        if not isinstance(workload.target, App):
            return None
        self._apps.setdefault(workload.name, {})[workload.target.revision] = workload.target
        return workload.target

    def _blueprint(self, name: str, workload: str, app: App) -> Blueprint:
        return blueprint(name, workload, app, dns_suffix=self._dns_suffix)

    def _blueprint_of(self, unit: Unit) -> Blueprint | None:
        app = self._apps.get(unit.workload, {}).get(unit.revision)
        if app is None or unit.workload not in self._applied:
            return None
        return self._blueprint(unit.name, unit.workload, app)

    def _stale(self) -> None:
        self._snapshot.invalidate()

    async def _adopt(self) -> None:
        """Wait until it is known which replicas of an earlier run serve, and tell the balancer."""
        if not isinstance(self._balancer, NoLoadBalancer):
            with contextlib.suppress(EngineUnavailable, TimeoutError):
                async with asyncio.timeout(_ADOPTION_S):
                    await self._snapshot.get()
                    while any(unit.endpoint and not self._keeper.judged(unit) for unit in self._units()):
                        await self._news.wait()
        self._serving.open()
        self._tell_all()

    def _units(self) -> Iterator[Unit]:
        return itertools.chain.from_iterable(self._snapshot.seen.values())

    def _note(self, unit: Unit) -> None:
        """Take note of a unit that has just been started, without a listing."""
        self._snapshot.put(unit)
        self._keeper.attend(unit)
        self._report(unit.workload)

    def _run_ended(self, unit_id: str) -> None:
        """Take note that a unit runs no more, before any listing shows how it ended."""
        unit = next((unit for unit in self._units() if unit.id == unit_id), None)
        if unit is not None and unit.state is UnitState.RUNNING:
            self._ended[unit_id] = unit.started_at, asyncio.get_running_loop().time()
            self._drains.ended(unit_id)
            self._report(unit.workload)

    def _report(self, workload: str) -> None:
        self._changed.add(workload)
        self._serving.tell(workload, self._snapshot.seen.get(workload, ()))
        self._spread()

    def _spread(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _tell_all(self) -> None:
        for workload in {*self._snapshot.seen, *self._serving.told()}:
            self._serving.tell(workload, self._snapshot.seen.get(workload, ()))

    def _absorb(self, units: Sequence[Unit]) -> None:
        listed = {unit.id: unit for unit in units}
        self._drains.forget(lambda unit_id: unit_id in listed and not listed[unit_id].stopping)
        for unit in units:
            if unit.state is not UnitState.RUNNING:
                self._drains.ended(unit.id)
        recent = asyncio.get_running_loop().time() - _END_LISTED_S
        self._ended = {key: end for key, end in self._ended.items() if key in listed and end[1] > recent}
        self._keeper.see(units)
        seen: dict[str, dict[str, Any]] = {}
        for unit in units:
            seen.setdefault(unit.workload, {})[unit.id] = (unit.state, unit.started_at)
        for name in self._seen.keys() | seen.keys():
            if self._seen.get(name) != seen.get(name):
                self._changed.add(name)
        self._seen = seen
        self._tell_all()
        self._spread()

    def _replica(self, unit: Unit) -> Replica:
        state, detail = ReplicaState.READY, unit.detail
        history = self._keeper.crashes(unit)
        ended = unit.state is UnitState.ENDED or self._ended.get(unit.id, ("",))[0] == unit.started_at
        if unit.stopping or self._drains.stopping(unit.id) or (ended and unit.id in self._drains):
            state = ReplicaState.STOPPING
        elif unit.state is UnitState.CREATED:
            state = ReplicaState.STARTING
        elif ended:
            state = ReplicaState.CRASHED
        elif unit.id in self._drains:
            state = ReplicaState.DRAINING
        else:
            health = self._keeper.health(unit)
            detail = health.detail
            if not health.ready:
                state = ReplicaState.NOT_READY if health.started else ReplicaState.STARTING
        return Replica(
            id=unit.id,
            name=unit.name,
            workload=unit.workload,
            revision=unit.revision,
            state=state,
            started_at=unit.started_at,
            restarts=history.restarts,
            detail=detail,
            endpoint=None if ended else unit.endpoint,
        )

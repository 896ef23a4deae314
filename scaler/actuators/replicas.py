"""The actuator that all kinds of engine share: replicas follow counts, whatever the engine calls them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import structlog

from scaler.actuators.changed_names import ChangedNames
from scaler.actuators.crashes import CrashBackoff
from scaler.actuators.keeping import Keeper
from scaler.actuators.operations import Operations, outcome
from scaler.actuators.planning import plan
from scaler.actuators.runtime import Blueprint, Runtime, Unit, UnitState, blueprint, new_name
from scaler.actuators.snapshot import Snapshot
from scaler.model import App, Replica, ReplicaState, Workload
from scaler.ports.actuator import Actuator, Applied, Usage
from scaler.ports.errors import ReplicaRejected

log = structlog.get_logger(__name__)

# Domain of the host names that replicas are told; `.internal` is reserved for private use.
DEFAULT_DNS_SUFFIX = "scaler.internal"


class ReplicaActuator(Actuator):
    """Makes units of a `Runtime` match the wanted counts.

    What exists is always what the runtime lists. Memory holds only what no listing can: the manifests' apps, the
    verdicts of probes, crash back-off, and calls that are under way.

    Args:
        runtime: The engine, for one owner.
        backoff: Waits before restarts in place.
        listing_max_age_s: A listing older than this is read again although no event asked for it.
        retry_s: Wait before asking an engine again that did not answer.
        dns_suffix: Domain of the injected host names.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        backoff: CrashBackoff | None = None,
        listing_max_age_s: float = 1.0,
        retry_s: float = 1.0,
        dns_suffix: str = DEFAULT_DNS_SUFFIX,
    ) -> None:
        self._runtime = runtime
        self._retry_s = retry_s
        self._dns_suffix = dns_suffix
        self._snapshot = Snapshot(runtime.units, self._absorb, max_age_s=listing_max_age_s)
        self._keeper = Keeper(
            runtime,
            blueprint_of=self._blueprint_of,
            acted=self._stale,
            reported=self._report,
            backoff=backoff or CrashBackoff(),
            retry_s=retry_s,
        )
        self._apps: dict[str, dict[str, App]] = {}
        self._applied: set[str] = set()
        self._operations = Operations(self._stale)
        self._seen: dict[str, dict[str, Any]] = {}
        self._changed = ChangedNames()
        self._absorbed = asyncio.Event()
        self._upkeep: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._runtime.open(self._stale)
        self._upkeep = asyncio.create_task(self._snapshot.follow(retry_s=self._retry_s), name="actuator:upkeep")
        self._stale()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.wait([self._upkeep])
            self._upkeep = None
        await self._operations.settle()
        await self._snapshot.settle()
        await self._keeper.close()
        await self._runtime.close()

    async def observe(self, workload: Workload) -> tuple[Replica, ...]:
        """See `Actuator.observe`."""
        self._remember(workload)
        units = (await self._snapshot.get()).get(workload.name, ())
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
        units = (await self._snapshot.get()).get(workload.name, ())
        steps = plan([self._replica(unit) for unit in units], app.revision, count)
        victims = {replica.id for replica in steps.stop}
        unstarted = [
            unit for unit in units if unit.state is UnitState.CREATED and not unit.stopping and unit.id not in victims
            and unit.revision == app.revision
        ]  # fmt: skip
        stops = [self._operations.begin(workload.name, self._stop(unit)) for unit in units if unit.id in victims]
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
        return outcome(stops, starts)

    async def remove(self, workload_name: str) -> None:
        """See `Actuator.remove`."""
        self._applied.discard(workload_name)
        self._apps.pop(workload_name, None)
        await self._operations.settled(workload_name)
        while True:
            absorbed = self._absorbed
            units = (await self._snapshot.get()).get(workload_name, ())
            if not units:
                return await self._keeper.settle()
            stops = [self._operations.begin(workload_name, self._stop(unit)) for unit in units if not unit.stopping]
            if stops:
                await asyncio.wait(stops)
                for task in stops:
                    task.result()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._retry_s):
                    await absorbed.wait()

    async def _stop(self, unit: Unit) -> str:
        await self._keeper.stop(unit)
        return unit.name

    async def _resume(self, unit: Unit, app: App) -> str:
        return await self._started(unit.id, self._blueprint(unit.name, unit.workload, app))

    async def _create(self, new: Blueprint) -> str:
        return await self._started(await self._runtime.create(new), new)

    async def _started(self, unit_id: str, new: Blueprint) -> str:
        try:
            await self._runtime.start(unit_id, new)
        except ReplicaRejected:
            await self._runtime.remove(unit_id)
            raise
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

    def _report(self, workload: str) -> None:
        self._changed.add(workload)

    def _absorb(self, units: Sequence[Unit]) -> None:
        self._keeper.see(units)
        seen: dict[str, dict[str, Any]] = {}
        for unit in units:
            seen.setdefault(unit.workload, {})[unit.id] = (unit.state, unit.started_at)
        for name in self._seen.keys() | seen.keys():
            if self._seen.get(name) != seen.get(name):
                self._report(name)
        self._seen = seen
        absorbed, self._absorbed = self._absorbed, asyncio.Event()
        absorbed.set()

    def _replica(self, unit: Unit) -> Replica:
        state, detail = ReplicaState.READY, unit.detail
        history = self._keeper.crashes(unit)
        if unit.stopping:
            state = ReplicaState.STOPPING
        elif unit.state is UnitState.CREATED:
            state = ReplicaState.STARTING
        elif unit.state is UnitState.ENDED:
            state = ReplicaState.CRASHED
        else:
            health = self._keeper.health(unit)
            detail = health.detail
            if not health.ready:
                state = ReplicaState.NOT_READY if health.started else ReplicaState.STARTING
        return Replica(
            unit.id, unit.name, unit.workload, unit.revision, state, unit.started_at, history.restarts, detail
        )

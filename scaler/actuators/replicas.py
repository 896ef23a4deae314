"""The actuator that all kinds of engine share: replicas follow counts, whatever the engine calls them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Self

import structlog

from scaler.actuators.crashes import CrashBackoff
from scaler.actuators.operations import Operations, outcome
from scaler.actuators.picture import Picture
from scaler.actuators.planning import plan
from scaler.actuators.port_check import Connect, connect
from scaler.actuators.runtime import Blueprint, Runtime, Unit, UnitState, blueprint, new_name
from scaler.model import App, Replica, Workload
from scaler.model.ingress import DEFAULT_DNS_SUFFIX
from scaler.ports.actuator import Actuator, Applied, Usage
from scaler.ports.errors import ReplicaRejected
from scaler.ports.load_balancer import LoadBalancer, NoLoadBalancer

log = structlog.get_logger(__name__)


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
        self._balancer = balancer or NoLoadBalancer()
        self._retry_s = retry_s
        self._dns_suffix = dns_suffix
        self._picture = Picture(
            runtime,
            self._balancer,
            blueprint_of=self._blueprint_of,
            backoff=backoff or CrashBackoff(),
            max_age_s=listing_max_age_s,
            retry_s=retry_s,
            connect=connect,
        )
        self._operations = Operations(self._picture.stale)
        self._apps: dict[str, dict[str, App]] = {}
        self._applied: set[str] = set()
        self._begun: set[str] = set()

    async def __aenter__(self) -> Self:
        try:
            await self._picture.open()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._operations.settle()
        await self._picture.close()

    async def observe(self, workload: Workload) -> tuple[Replica, ...]:
        """See `Actuator.observe`."""
        self._remember(workload)
        return tuple(map(self._picture.replica, await self._picture.units(workload.name)))

    async def owned(self) -> Mapping[str, tuple[Replica, ...]]:
        """See `Actuator.owned`."""
        return {
            name: tuple(map(self._picture.replica, units)) for name, units in (await self._picture.listed()).items()
        }

    async def usage(self, workload: Workload) -> tuple[Usage, ...]:
        """See `Actuator.usage`."""
        units = (await self._picture.listed()).get(workload.name, ())
        running = [unit.id for unit in units if unit.state is UnitState.RUNNING and not unit.stopping]
        return tuple(await self._runtime.usage(running)) if running else ()

    def changes(self) -> AsyncIterator[str]:
        """See `Actuator.changes`."""
        return self._picture.changes()

    async def apply(self, workload: Workload, count: int) -> Applied:
        """See `Actuator.apply`."""
        app = self._remember(workload)
        if app is None:
            raise ReplicaRejected(f"{workload.name}: this actuator runs apps only, not what runs elsewhere")
        await self._operations.settled(workload.name)
        units = await self._picture.units(workload.name)
        in_flight = self._balancer.in_flight(workload.name)
        steps = plan(list(map(self._picture.replica, units)), app.revision, count, in_flight)
        self._picture.call_back(workload.name, [replica.id for replica in steps.call_back])
        victims = {replica.id for replica in steps.stop}
        unstarted = [
            unit for unit in units if unit.state is UnitState.CREATED and not unit.stopping and unit.id not in victims
            and unit.revision == app.revision
        ]  # fmt: skip
        drained, stops = self._end(workload.name, [unit for unit in units if unit.id in victims])
        begun: set[str] = set()
        starts: list[asyncio.Task[str]] = []
        try:
            if unstarted or steps.create:
                blueprint("", workload.name, app, dns_suffix=self._dns_suffix)  # is it runnable at all?
                await self._runtime.prepare(app)
            plans = [self._blueprint(new_name(workload.name, app), workload.name, app) for _ in range(steps.create)]
            begun = {unit.name for unit in unstarted} | {each.name for each in plans}
            self._begun |= begun
            starts = [self._operations.begin(workload.name, self._resume(unit, app)) for unit in unstarted]
            starts += [self._operations.begin(workload.name, self._create(each)) for each in plans]
        finally:
            if stops or starts:
                await asyncio.wait([*stops, *starts])
            if workload.name not in self._applied:
                self._applied.add(workload.name)  # not before: what the first count stops is not to be restarted
                self._picture.stale()
            self._begun -= begun
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
            news = self._picture.news
            units = (await self._picture.listed()).get(workload_name, ())
            if not units:
                return await self._picture.gone()
            staying = [unit for unit in units if not unit.stopping and not self._picture.drains(unit)]
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
        drained = self._picture.drain(workload, units)
        stops = [self._operations.begin(workload, self._picture.stop(unit)) for unit in units if unit not in drained]
        return [unit.name for unit in drained], stops

    async def _resume(self, unit: Unit, app: App) -> str:
        new = self._blueprint(unit.name, unit.workload, app)
        try:
            started = await self._runtime.start(unit.id, new)
        except ReplicaRejected:
            await self._runtime.remove(unit.id)
            raise
        self._picture.started(started)
        return new.name

    async def _create(self, new: Blueprint) -> str:
        self._picture.started(await self._runtime.launch(new))
        return new.name

    # What replicas are made of.

    def _remember(self, workload: Workload) -> App | None:
        if not isinstance(workload.target, App):
            return None
        self._apps.setdefault(workload.name, {})[workload.target.revision] = workload.target
        return workload.target

    def _blueprint(self, name: str, workload: str, app: App) -> Blueprint:
        return blueprint(name, workload, app, dns_suffix=self._dns_suffix)

    def _blueprint_of(self, unit: Unit) -> Blueprint | None:
        app = self._apps.get(unit.workload, {}).get(unit.revision)
        wanted = unit.workload in self._applied or unit.name in self._begun
        return self._blueprint(unit.name, unit.workload, app) if app and wanted else None

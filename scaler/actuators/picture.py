"""What exists of all workloads and how it stands: listings, probes, drains and ends put together."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from scaler.actuators.changed_names import ChangedNames
from scaler.actuators.crashes import CrashBackoff
from scaler.actuators.draining import Drains
from scaler.actuators.keeping import Keeper
from scaler.actuators.port_check import Connect
from scaler.actuators.runtime import Blueprint, Runtime, Unit, UnitState
from scaler.actuators.serving import Serving
from scaler.actuators.snapshot import Snapshot
from scaler.model import Replica, ReplicaState
from scaler.ports.errors import EngineUnavailable
from scaler.ports.load_balancer import LoadBalancer, NoLoadBalancer

# So long does opening wait at most until it is known which of the adopted replicas serve.
_ADOPTION_S = 2.0
# Listings that begin so long after a run was seen to end know of it.
_END_LISTED_S = 1.0


class Picture:
    """The units of a runtime, kept up to date and in order; see `ReplicaActuator` for the arguments.

    Args:
        runtime: The engine.
        balancer: Told at once of whatever changes about replicas that take requests.
        blueprint_of: See `Keeper`.
        backoff: See `Keeper`.
        max_age_s: See `Snapshot`.
        retry_s: Wait before asking an engine again that did not answer.
        connect: How it is seen whether a port accepts connections.
    """

    def __init__(
        self,
        runtime: Runtime,
        balancer: LoadBalancer,
        *,
        blueprint_of: Callable[[Unit], Blueprint | None],
        backoff: CrashBackoff,
        max_age_s: float,
        retry_s: float,
        connect: Connect,
    ) -> None:
        self._runtime = runtime
        self._retry_s = retry_s
        self._told_of_any = not isinstance(balancer, NoLoadBalancer)
        self._snapshot = Snapshot(runtime.units, self._absorb, max_age_s=max_age_s)
        self._keeper = Keeper(
            runtime,
            blueprint_of=blueprint_of,
            leaving=lambda unit_id: unit_id in self._drains,
            started=self.started,
            acted=self.stale,
            reported=self._report,
            backoff=backoff,
            retry_s=retry_s,
            connect=connect,
        )
        self._drains = Drains(
            balancer, replica_of=self.replica, stop=self.stop, changed=self._report, retry_s=retry_s
        )  # fmt: skip
        self._serving = Serving(balancer, self.replica)
        self._seen: dict[str, dict[str, Any]] = {}
        self._ended: dict[str, tuple[float | None, float]] = {}
        self._changed = ChangedNames()
        self._news = asyncio.Event()
        self._upkeep: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin the upkeep, and wait a while for what it finds of replicas that run already."""
        await self._runtime.open(self.stale, self._run_ended)
        self._upkeep = asyncio.create_task(self._snapshot.follow(retry_s=self._retry_s), name="actuator:upkeep")
        self.stale()
        if self._told_of_any:
            with contextlib.suppress(EngineUnavailable, TimeoutError):
                async with asyncio.timeout(_ADOPTION_S):
                    await self._snapshot.get()
                    while any(map(self._unjudged, self._units())):
                        await self._news.wait()
        self._serving.open()
        self._tell_all()

    async def close(self) -> None:
        """End the upkeep; units stay as they are."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.wait([self._upkeep])
            self._upkeep = None
        await self._drains.close()
        await self._snapshot.settle()
        await self._keeper.close()
        await self._runtime.close()

    def changes(self) -> AsyncIterator[str]:
        """See `Actuator.changes`."""
        return self._changed.follow()

    async def units(self, workload: str) -> tuple[Unit, ...]:
        """Return the units of a workload, oldest first. Raises EngineUnavailable."""
        return (await self._snapshot.current()).get(workload, ())

    async def listed(self) -> Mapping[str, tuple[Unit, ...]]:
        """Return all units by workload from a listing that is not old. Raises EngineUnavailable."""
        return await self._snapshot.get()

    def replica(self, unit: Unit) -> Replica:
        """Return a unit with the meaning that probes, drains and back-off give it."""
        state, detail = ReplicaState.READY, unit.detail
        ended = unit.state is UnitState.ENDED or self._ended.get(unit.id, ("",))[0] == unit.started_at
        if unit.stopping or self._drains.stopping(unit.id) or (ended and unit.id in self._drains):
            state = ReplicaState.STOPPING
        elif unit.state is UnitState.CREATED:
            state = ReplicaState.STARTING
        elif ended:
            state = ReplicaState.CRASHED  # how it ended the next listing tells; until then there is no detail
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
            restarts=self._keeper.crashes(unit).restarts,
            detail=detail,
            endpoint=None if ended else unit.endpoint,
        )

    # What is done to units.

    async def stop(self, unit: Unit) -> str:
        """Tell a unit to stop at once, and return its name."""
        await self._keeper.stop(unit)
        self.stale()
        return unit.name

    def drain(self, workload: str, units: Iterable[Unit]) -> list[Unit]:
        """Let those units drain, and then stop, that may have requests; return them."""
        serving = {ReplicaState.READY, ReplicaState.NOT_READY}
        drained = [unit for unit in units if unit.port is not None and self.replica(unit).state in serving]
        self._drains.begin(workload, drained)
        return drained

    def call_back(self, workload: str, unit_ids: Iterable[str]) -> None:
        """Let units serve again that drain."""
        self._drains.call_back(workload, unit_ids)

    def drains(self, unit: Unit) -> bool:
        """Return whether a unit drains, or is being told to stop after it did."""
        return unit.id in self._drains

    def started(self, unit: Unit | None) -> None:
        """Take note of a unit that has just been started, without a listing; None is one that is gone already."""
        if unit is not None:
            self._snapshot.put(unit)
            self._keeper.attend(unit)
            self._report(unit.workload)

    def stale(self) -> None:
        """Something changed, or may have."""
        self._snapshot.invalidate()

    async def gone(self) -> None:
        """Wait for calls to the engine about units that are listed no more."""
        await self._keeper.settle()

    @property
    def news(self) -> asyncio.Event:
        """Is set when anything is known that is not known now."""
        return self._news

    # What is heard of them.

    def _units(self) -> Iterator[Unit]:
        return itertools.chain.from_iterable(self._snapshot.seen.values())

    def _unjudged(self, unit: Unit) -> bool:
        return unit.endpoint is not None and not unit.stopping and not self._keeper.judged(unit)

    def _run_ended(self, unit_id: str) -> None:
        """Take note that a unit runs no more, before any listing shows how it ended."""
        unit = next((unit for unit in self._units() if unit.id == unit_id), None)
        if unit is not None and unit.state is UnitState.RUNNING:
            self._ended[unit_id] = unit.started_at, asyncio.get_running_loop().time()
            self._keeper.ended(unit_id)
            self._drains.ended(unit_id)
            self._report(unit.workload)

    def _report(self, workload: str) -> None:
        self._changed.add(workload)
        self._tell(workload)
        self._spread()

    def _tell(self, workload: str) -> None:
        self._serving.tell(workload, self._snapshot.seen.get(workload, ()))

    def _tell_all(self) -> None:
        for workload in {*self._snapshot.seen, *self._serving.told()}:
            self._tell(workload)

    def _spread(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

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

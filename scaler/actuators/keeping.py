"""What is done to replicas between decisions: probes, restarts in place, forced ends, removal of what has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from signal import SIGKILL, SIGTERM
from typing import Any, TypeAlias

import structlog

from scaler.actuators.crashes import CrashBackoff, CrashHistory
from scaler.actuators.port_check import Connect, connect
from scaler.actuators.probes import Health, Prober, aimed
from scaler.actuators.runtime import Blueprint, Runtime, Unit, UnitState
from scaler.model import Probe
from scaler.ports.errors import EngineUnavailable, ReplicaRejected

log = structlog.get_logger(__name__)

_Duty: TypeAlias = tuple[str, object]


class Keeper:
    """Gives each unit the one task that its present state calls for, and no other.

    The duty follows from each listing alone, so whatever was missed (an outage, a restart of this service) is
    made up for by the next listing.

    Args:
        runtime: The engine.
        blueprint_of: Returns what a unit is made of; None while no manifest says so, and for units that nobody
            asked for since this service started. Such units are not restarted, and of probes only their port's counts.
        leaving: Returns whether a unit is to be stopped soon, so that it is not restarted.
        started: Called with a unit that was restarted, as it is right after; None when it is gone.
        acted: Called after the engine was made to do something.
        reported: Called with a workload's name when probes changed a replica's health.
        backoff: Waits before restarts in place.
        retry_s: Wait before asking an engine again that did not answer.
        connect: How it is seen whether a port accepts connections.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        blueprint_of: Callable[[Unit], Blueprint | None],
        leaving: Callable[[str], bool],
        started: Callable[[Unit | None], None],
        acted: Callable[[], None],
        reported: Callable[[str], None],
        backoff: CrashBackoff,
        retry_s: float,
        connect: Connect = connect,
    ) -> None:
        self._runtime = runtime
        self._blueprint_of = blueprint_of
        self._leaving = leaving
        self._started = started
        self._acted = acted
        self._reported = reported
        self._backoff = backoff
        self._retry_s = retry_s
        self._prober = Prober(connect)
        self._tasks: dict[str, tuple[_Duty, asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._crashes: dict[str, CrashHistory] = {}
        self._health: dict[str, tuple[float | None, Health]] = {}
        self._told_at: dict[str, float] = {}

    def health(self, unit: Unit) -> Health:
        """Return what probes found so far in this run; what has neither probes nor a port is ready when it runs."""
        if not self._probes(unit) and unit.port is None:
            return Health(started=True, ready=True)
        run, health = self._health.get(unit.id, (None, Health()))
        return health if run == unit.started_at else Health()

    def judged(self, unit: Unit) -> bool:
        """Return whether probes found anything in this run."""
        return unit.id in self._health and self._health[unit.id][0] == unit.started_at

    def crashes(self, unit: Unit) -> CrashHistory:
        """Return what is known about the unit's ends."""
        return self._crashes.get(unit.id) or CrashHistory()

    async def stop(self, unit: Unit) -> None:
        """Tell a unit to stop; what follows (forced end, removal) is a duty."""
        self._told_at[unit.id] = asyncio.get_running_loop().time()
        try:
            if previous := self._release(unit.id):
                await asyncio.wait([previous])
            await self._runtime.mark_stopping(unit.id)
            if unit.state is not UnitState.CREATED:
                await self._runtime.signal(unit.id, SIGTERM if unit.grace_s > 0 else SIGKILL)
        except BaseException:
            self._told_at.pop(unit.id, None)  # the next one to see the mark sends the signal
            raise

    def see(self, units: Sequence[Unit]) -> None:
        """Give every unit of a listing its duty."""
        present = {unit.id for unit in units}
        for unit_id in self._tasks.keys() - present:
            self._release(unit_id)
        memories: tuple[dict[str, Any], ...] = (self._crashes, self._health, self._told_at)
        for memory in memories:
            for unit_id in memory.keys() - present:
                del memory[unit_id]
        for unit in units:
            self.attend(unit)

    def attend(self, unit: Unit) -> None:
        """Give one unit its duty."""
        if history := self._crashes.get(unit.id):
            history.began(unit.started_at)
        duty = self._duty(unit)
        held = self._tasks.get(unit.id)
        if held and held[0] == duty and not held[1].done():
            return
        previous = self._release(unit.id)
        if duty:
            task = asyncio.create_task(self._perform(duty, unit, previous), name=f"actuator:{duty[0]}:{unit.name}")
            self._tasks[unit.id] = (duty, task)

    def ended(self, unit_id: str) -> None:
        """Probe a unit no more: its run is over, and whoever answers at its port by now is somebody else."""
        held = self._tasks.get(unit_id)
        if held and held[0][0] == "probe":
            self._release(unit_id)

    async def settle(self) -> None:
        """Wait for calls to the engine about units that are listed no more, such as a removal that is not over."""
        if self._ending:
            await asyncio.wait(self._ending)

    async def close(self) -> None:
        """Stop all tasks; units stay as they are."""
        for unit_id in tuple(self._tasks):
            self._release(unit_id)
        await self.settle()
        await self._prober.close()

    def _duty(self, unit: Unit) -> _Duty | None:
        running = unit.state is UnitState.RUNNING
        if unit.stopping:
            return ("end", None) if running else ("remove", None)
        if unit.state is UnitState.CREATED or unit.id in self._told_at:
            return None  # a unit that was never started is `apply`'s, which knows whether it is wanted
        if not running:
            wanted = self._blueprint_of(unit) is not None and not self._leaving(unit.id)
            return ("restart", unit.ended_at) if wanted else None
        if probes := self._probes(unit):
            return ("probe", (unit.started_at, probes))
        return ("probe", unit.started_at) if unit.port is not None else None

    def _probes(self, unit: Unit) -> tuple[Probe, ...]:
        plan = self._blueprint_of(unit)
        return () if plan is None else aimed(plan.container.probes, plan.target_port, unit.port)

    def _release(self, unit_id: str) -> asyncio.Task[None] | None:
        held = self._tasks.pop(unit_id, None)
        if held is None or held[1].done():
            return None
        task = held[1]
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def _perform(self, duty: _Duty, unit: Unit, previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await asyncio.wait([previous])
        steps = {"end": self._end, "remove": self._remove, "restart": self._restart, "probe": self._probe}
        while True:  # until a listing gives the unit another duty, or none
            try:
                await steps[duty[0]](unit)
                self._acted()
            except EngineUnavailable:
                pass  # `EngineUnavailable` of the next listing tells the engine loop; here it is only tried again
            except Exception:
                # Supervised: a bug in one duty must not end the others, nor go unnoticed.
                log.exception("replica_upkeep_failed", workload=unit.workload, replica=unit.name, duty=duty[0])
            await asyncio.sleep(self._retry_s)

    async def _end(self, unit: Unit) -> None:
        loop = asyncio.get_running_loop()
        if unit.id not in self._told_at:
            # An earlier run of this service left the mark; whether it also sent the signal is not known.
            self._told_at[unit.id] = loop.time()
            await self._runtime.signal(unit.id, SIGTERM)
        await asyncio.sleep(self._told_at[unit.id] + unit.grace_s - loop.time())
        log.info("replica_killed", workload=unit.workload, replica=unit.name, grace_s=unit.grace_s)
        await self._runtime.signal(unit.id, SIGKILL)

    async def _remove(self, unit: Unit) -> None:
        await self._runtime.remove(unit.id)
        log.debug("replica_removed", workload=unit.workload, replica=unit.name)

    async def _restart(self, unit: Unit) -> None:
        history = self._crashes.setdefault(unit.id, CrashHistory())
        if history.ended(unit.started_at, unit.ended_at, self._backoff):
            delay = self._backoff.delay_s(history.ends_in_a_row)
            history.restart_at = time.time() + delay
            log.warning(
                "replica_ended",
                workload=unit.workload,
                replica=unit.name,
                how=unit.detail,
                ends_in_a_row=history.ends_in_a_row,
                restart_in_s=delay,
            )
        if history.restart_at is None:
            return  # restarted already; this listing was older
        await asyncio.sleep(history.restart_at - time.time())
        plan = self._blueprint_of(unit)
        if plan is None:
            return
        try:
            unit_now = await self._runtime.start(unit.id, plan)
        except ReplicaRejected as error:
            history.ends_in_a_row += 1
            history.restart_at = time.time() + self._backoff.delay_s(history.ends_in_a_row)
            log.warning("replica_not_restarted", workload=unit.workload, replica=unit.name, error=str(error))
            return
        self._started(unit_now)

    async def _probe(self, unit: Unit) -> None:
        running_s = time.time() - unit.started_at if unit.started_at else 0.0

        def report(health: Health) -> None:
            # A look that begins anew (the manifest is known by now) does not undo what was found in the same run.
            known = self.judged(unit) and (self._health[unit.id][1] == health or health == Health())
            if not known:
                self._health[unit.id] = unit.started_at, health
                self._reported(unit.workload)

        unhealthy = await self._prober.watch(self._probes(unit), unit.address, running_s, report, unit.port)
        log.warning("replica_unhealthy", workload=unit.workload, replica=unit.name, why=unhealthy.reason)
        report(Health(detail=unhealthy.reason))
        grace_s = unit.grace_s if unhealthy.grace_s is None else unhealthy.grace_s
        if grace_s > 0:
            await self._runtime.signal(unit.id, SIGTERM)
            await asyncio.sleep(grace_s)
        await self._runtime.signal(unit.id, SIGKILL)

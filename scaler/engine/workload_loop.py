"""One workload's loop: wake, read, decide, have it applied, record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from scaler.decision import decide, initial_state, resumed
from scaler.engine.actuation import Actuation
from scaler.engine.memory import Memory
from scaler.engine.schedule import Schedule
from scaler.engine.statistics import ReplicaStatistics
from scaler.engine.trigger_reader import TriggerReader
from scaler.model import App, Decision, DecisionState, Reading, Replica, ReplicaCounts, Workload, ready_count, staying
from scaler.ports.actuator import Actuator
from scaler.ports.clock import Clock
from scaler.ports.connections import Connections
from scaler.ports.errors import ActuatorError
from scaler.ports.recorder import Recorder
from scaler.ports.scaler import Scaler
from scaler.ports.state_store import Remembered
from scaler.ports.traffic import Traffic

log = structlog.get_logger(__name__)

# An engine that says nothing for this long holds up no decision; a listing takes milliseconds.
OBSERVE_DEADLINE_S = 3.0
# Until the replicas of a workload that nothing is remembered of were seen for the first time, look this often.
BLIND_INTERVAL_S = 1.0


class WorkloadLoop:
    """Scales one workload until cancelled.

    Leaving it leaves the replicas as they are and everything that the next run needs in memory.
    """

    def __init__(
        self,
        workload: Workload,
        *,
        scalers: Mapping[str, type[Scaler[Any]]],
        actuator: Actuator,
        connections: Connections,
        memory: Memory,
        recorder: Recorder,
        clock: Clock,
        traffic: Traffic | None = None,
    ) -> None:
        self.workload = workload
        self._actuator = actuator
        self._memory = memory
        self._recorder = recorder
        self._clock = clock
        self._schedule = Schedule(workload.polling_interval_s)
        self._actuation = Actuation(workload, actuator, recorder)
        statistics = ReplicaStatistics(workload, actuator, clock)
        self._readers = tuple(
            TriggerReader(
                workload,
                trigger,
                scalers[trigger.type],
                connections,
                recorder,
                statistics=statistics,
                traffic=traffic,
            )
            for trigger in workload.triggers
        )
        self._replicas: tuple[Replica, ...] | None = None
        self._changed = asyncio.Event()
        self._looks = self._seen_by = 0
        self._blind = False
        self._log = log.bind(workload=workload.name)

    def replicas_changed(self) -> None:
        """Replicas changed: show them, and make them match again at once when it was on their own."""
        self._changed.set()
        self._actuation.check()

    async def run(self) -> None:
        """Scale until cancelled."""
        name = self.workload.name
        remembered = self._memory.recall(name)
        if remembered is not None and remembered.target not in {"", self.workload.target_name}:
            # Its count and its windows are those of other replicas.
            self._memory.forget(name)
        elif remembered is not None:
            state = resumed(self.workload.policy, remembered.state, self._clock.now())
            self._memory.keep(name, self._kept(state, remembered.desired), urgent=False)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._actuation.run(), name=f"actuate:{name}")
            tasks.create_task(self._look(), name=f"look:{name}")
            for reader in self._readers:
                tasks.create_task(reader.run(self._schedule.push), name=f"trigger:{name}/{reader.trigger.name}")
            while True:
                lateness_s, pushed = await self._schedule.wait()
                self._recorder.woke(self.workload, lateness_s=lateness_s, pushed=pushed)
                await self._tick()

    async def _tick(self) -> None:
        readings: Mapping[str, Reading]
        readings, read_at = await self._read()
        await self._observe()
        remembered = self._memory.recall(self.workload.name)
        if remembered is None and self._replicas is None:
            # Nothing is known of the present count: to take it for zero would scale down what runs.
            self._schedule.pace(min(self.workload.polling_interval_s, BLIND_INTERVAL_S))
            return
        started = time.perf_counter()
        now = self._clock.now()
        state = remembered.state if remembered else initial_state(now)
        counts = self._counts(remembered)
        readings = _on_clock(readings, now - self._clock.wall())
        decision, state = decide(self.workload.policy, state, readings, counts, now)
        self._schedule.pace(self.workload.polling_interval_at(decision.desired))
        self._recorder.decided(self.workload, decision, duration_s=time.perf_counter() - started)
        changed = remembered is None or decision.desired != remembered.desired
        self._memory.keep(self.workload.name, self._kept(state, decision.desired), urgent=changed)
        if decision.desired != decision.current:
            self._log_change(decision)
        # At first the actuator is asked in any case: it keeps up only what was asked for. Later without an observation,
        # too: it finds out, backs off and retries.
        unasked = self._actuation.desired is None or self._replicas is None
        if changed or unasked or counts.status != decision.desired or self._outdated():
            self._actuation.request(decision.desired, read_at=read_at)

    async def _read(self) -> tuple[dict[str, Reading], float]:
        """Read all triggers at the same time; return the readings and when they were there."""
        if len(self._readers) == 1:
            (reader,) = self._readers
            return {reader.trigger.name: await reader.read()}, time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            reads = {reader.trigger.name: tasks.create_task(reader.read()) for reader in self._readers}
        return {name: read.result() for name, read in reads.items()}, time.perf_counter()

    async def _look(self) -> None:
        """Look at the replicas as they change: whoever watches need not wait for the next tick."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._observe()

    async def _observe(self) -> None:
        """Look at the real replicas; what was last seen holds while the engine does not answer."""
        self._looks += 1
        look = self._looks
        try:
            async with asyncio.timeout(OBSERVE_DEADLINE_S):
                replicas = await self._actuator.observe(self.workload)
        except (ActuatorError, TimeoutError) as error:
            reason = str(error) or "the engine does not answer in time"
            self._log.debug("replicas_not_observed", error=reason)
            if self._memory.recall(self.workload.name) is None and self._replicas is None:
                if not self._blind:
                    self._log.warning("actuation_failed", error=reason)
                self._blind = True
                self._recorder.actuation_failed(self.workload, error=reason)
        else:
            if self._blind:
                self._blind = False
                self._log.info("actuation_recovered")
                self._recorder.actuation_recovered(self.workload)
            if look > self._seen_by:  # else one that began later was told sooner
                self._seen_by, self._replicas = look, replicas
                self._recorder.observed(self.workload, replicas)

    def _kept(self, state: DecisionState, desired: int) -> Remembered:
        return Remembered(state, desired, self.workload.target_name)

    def _counts(self, remembered: Remembered | None) -> ReplicaCounts:
        replicas = self._replicas or ()
        existing = len(staying(replicas))
        spec = remembered.desired if remembered else existing
        status = existing if self._replicas is not None else spec
        return ReplicaCounts(spec=spec, status=status, ready=ready_count(replicas))

    def _outdated(self) -> bool:
        """Whether replicas of an older revision still run."""
        target = self.workload.target
        return isinstance(target, App) and any(
            replica.revision != target.revision for replica in staying(self._replicas or ())
        )

    def _log_change(self, decision: Decision) -> None:
        values = {}
        for outcome in decision.triggers:
            if outcome.error:
                values[outcome.name] = outcome.error
            elif outcome.value is not None:
                shown = outcome.metric_type.shown
                values[outcome.name] = f"{shown(outcome.value)}/{shown(outcome.target)}"
        limits = [f"{limit.rule} {limit.before}->{limit.after}" for limit in decision.limits]
        self._log.info(
            "replicas_changed",
            current=decision.current,
            desired=decision.desired,
            reason=str(decision.reason),
            triggers=values,
            limits=limits,
        )


def _on_clock(readings: Mapping[str, Reading], shift_s: float) -> Mapping[str, Reading]:
    """Return the readings with what schedules said of the wall clock in the seconds of the decision's clock."""
    if all(reading.changes_at is None for reading in readings.values()):
        return readings
    return {
        name: reading if reading.changes_at is None else replace(reading, changes_at=reading.changes_at + shift_s)
        for name, reading in readings.items()
    }

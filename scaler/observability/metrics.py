"""Prometheus metrics of everything the engine records."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from scaler.model import Decision, Reading, Reason, Replica, Workload, ready_count, staying
from scaler.observability.families import Families
from scaler.observability.ingress_metrics import IngressMetrics
from scaler.observability.scaling_metrics import ScalingMetrics
from scaler.ports.recorder import HoldOutcome, Recorder

_FAST_S = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01)


@dataclass(slots=True)
class _TriggerSeries:
    value: Any
    wants: Any
    active: Any
    up: Any
    errors: Any
    read_s: Any
    windows: tuple[Any, Any, Any] | None = None


@dataclass(slots=True)
class _WorkloadSeries:
    """The labelled children of one workload, looked up once."""

    wanted: Gauge
    current: Gauge
    ready: Gauge
    decisions: dict[Reason, Any] = field(default_factory=dict)
    triggers: dict[str, _TriggerSeries] = field(default_factory=dict)


class PrometheusRecorder(Recorder):
    """Turns facts into series. Labels are bounded by the configuration: workload, trigger, type, reason, kind."""

    def __init__(self, registry: CollectorRegistry) -> None:
        families = Families(registry)
        gauge, counter, seconds = families.gauge, families.counter, families.seconds
        self._wanted = gauge("workload_wanted_replicas", "Replicas that the last decision wants", "workload")
        self._current = gauge("workload_current_replicas", "Replicas that exist and are not stopping", "workload")
        self._ready = gauge("workload_ready_replicas", "Replicas that serve", "workload")
        trigger = ("workload", "trigger", "type")
        self._value = gauge("trigger_value", "Last known value, in the source's unit", *trigger)
        self._target = gauge("trigger_target", "Value that one replica is to carry, in the source's unit", *trigger)
        self._wants = gauge("trigger_wanted_replicas", "Replicas that this trigger wants, before limits", *trigger)
        self._active = gauge("trigger_active", "1 while the trigger is active", *trigger)
        self._up = gauge("trigger_up", "1 while the source can be read", *trigger)
        self._errors = counter("trigger_errors", "Reads that failed", *trigger)
        self._bugs = counter("plugin_bugs", "Exceptions that a scaler's contract does not allow", *trigger)
        self._read_s = seconds("read_duration", "Duration of one trigger's read", "type")
        self._stable = gauge("trigger_stable_concurrency", "Requests in flight over the stable window", *trigger)
        self._panic = gauge("trigger_panic_concurrency", "Requests in flight over the panic window", *trigger)
        self._panicking = gauge("trigger_panicking", "1 while the panic window keeps the count from falling", *trigger)
        self._decide_s = seconds("decide_duration", "Duration of one decision", buckets=_FAST_S)
        self._actuate_s = seconds("actuate_duration", "Duration of one change of replicas")
        self._reaction_s = seconds("reaction", "From the reading to the start command that it caused")
        self._lateness_s = seconds("wakeup_lateness", "How much later than due a tick began")
        self._decisions = counter("decisions", "Decisions by their main reason", "workload", "reason")
        self._pushes = counter("pushes", "Ticks that a source's push caused", "workload")
        self._starts = counter("replica_starts", "Replicas started", "workload")
        self._stops = counter("replica_stops", "Replicas told to stop", "workload")
        self._failures = counter("actuation_failures", "Changes of replicas that failed", "workload")
        self._connections = gauge("connections_open", "Shared clients by kind of server", "kind")
        self._reloads = counter("configuration_reloads", "Manifest edits by outcome", "outcome")
        for outcome in ("accepted", "rejected"):
            self._reloads.labels(outcome)
        self._accepted = gauge("configuration_accepted", "1 while what is configured, as last read, is what runs")
        self._accepted.set(1)
        self._rejected: set[str] = set()
        info = gauge("build_info", "1; what runs", "version", "python")
        info.labels(version("event-scaler"), platform.python_version()).set(1)
        self._series: dict[str, _WorkloadSeries] = {}
        self._scaling = ScalingMetrics(families)
        self._ingress = IngressMetrics(families)

    def workload_added(self, workload: Workload) -> None:
        """Make the workload's series, so that they are there before the first event."""
        series = _WorkloadSeries(
            self._wanted.labels(workload.name), self._current.labels(workload.name), self._ready.labels(workload.name)
        )
        for metric in (self._pushes, self._starts, self._stops, self._failures):
            metric.labels(workload.name)
        for trigger in workload.triggers:
            labels = (workload.name, trigger.name, trigger.type)
            self._target.labels(*labels).set(trigger.policy.target)
            self._bugs.labels(*labels)
            # Nothing was read yet: 0 would say that there is no work.
            self._value.labels(*labels).set(math.nan)
            series.triggers[trigger.name] = _TriggerSeries(
                value=self._value.labels(*labels),
                wants=self._wants.labels(*labels),
                active=self._active.labels(*labels),
                up=self._up.labels(*labels),
                errors=self._errors.labels(*labels),
                read_s=self._read_s.labels(trigger.type),
                windows=self._windows_of(labels) if trigger.policy.concurrency is not None else None,
            )
        self._series[workload.name] = series
        self._scaling.workload_added(workload)
        self._ingress.workload_added(workload)

    def _windows_of(self, labels: tuple[str, ...]) -> tuple[Any, Any, Any]:
        return self._stable.labels(*labels), self._panic.labels(*labels), self._panicking.labels(*labels)

    def workload_removed(self, workload: Workload) -> None:
        """Drop the workload's series."""
        name = workload.name
        series = self._series.pop(name, None)
        self._scaling.workload_removed(workload)
        self._ingress.workload_removed(workload)
        # Each by all its labels: to look for a part of them goes through the series of all workloads.
        of_workload = (self._wanted, self._current, self._ready, self._pushes, self._starts, self._stops)
        for metric in (*of_workload, self._failures):
            metric.remove(name)
        for trigger in workload.triggers:
            for metric in (
                *(self._value, self._target, self._wants, self._active, self._up, self._errors, self._bugs),
                *(self._stable, self._panic, self._panicking),
            ):
                metric.remove(name, trigger.name, trigger.type)
        for reason in series.decisions if series is not None else ():
            self._decisions.remove(name, reason)

    def woke(self, workload: Workload, *, lateness_s: float, pushed: bool) -> None:
        """Observe the lateness of a tick, or count a push."""
        if pushed:
            self._pushes.labels(workload.name).inc()
        else:
            self._lateness_s.observe(lateness_s)

    def read(self, workload: Workload, trigger: str, reading: Reading, *, duration_s: float) -> None:
        """Observe one read."""
        series = self._series[workload.name].triggers[trigger]
        series.up.set(0 if reading.error else 1)
        if reading.error:
            series.errors.inc()
        series.read_s.observe(duration_s)

    def plugin_bug(self, workload: Workload, trigger: str) -> None:
        """Count a plugin's bug."""
        type_ = next(t.type for t in workload.triggers if t.name == trigger)
        self._bugs.labels(workload.name, trigger, type_).inc()

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:
        """Show what was decided and why."""
        self._scaling.decided(workload, decision, duration_s=duration_s)
        series = self._series[workload.name]
        self._decide_s.observe(duration_s)
        series.wanted.set(decision.desired)
        if decision.reason not in series.decisions:
            series.decisions[decision.reason] = self._decisions.labels(workload.name, decision.reason)
        series.decisions[decision.reason].inc()
        for outcome in decision.triggers:
            trigger = series.triggers[outcome.name]
            trigger.active.set(1 if outcome.active else 0)
            if outcome.value is not None:
                trigger.value.set(outcome.value)
            if outcome.wants is not None:
                trigger.wants.set(outcome.wants)
            if outcome.windows is not None and trigger.windows is not None:
                stable, panic, panicking = trigger.windows
                stable.set(outcome.windows.stable)
                panic.set(outcome.windows.panic)
                panicking.set(1 if outcome.windows.panicking else 0)

    def observed(self, workload: Workload, replicas: tuple[Replica, ...]) -> None:
        """Show how many replicas there are."""
        self._scaling.observed(workload, replicas)
        series = self._series[workload.name]
        series.current.set(len(staying(replicas)))
        series.ready.set(ready_count(replicas))

    def actuated(
        self,
        workload: Workload,
        *,
        started: int,
        stopped: int,
        failed: int,
        duration_s: float,
        reaction_s: float | None,
    ) -> None:
        """Count what was done, and observe how long it took."""
        self._starts.labels(workload.name).inc(started)
        self._stops.labels(workload.name).inc(stopped)
        self._failures.labels(workload.name).inc(failed)
        self._actuate_s.observe(duration_s)
        if reaction_s is not None:
            self._reaction_s.observe(reaction_s)
        self._scaling.actuated(
            workload, started=started, stopped=stopped, failed=failed, duration_s=duration_s, reaction_s=reaction_s
        )

    def actuation_failed(self, workload: Workload, *, error: str) -> None:
        """Count a failed change."""
        self._failures.labels(workload.name).inc()
        self._scaling.actuation_failed(workload, error=error)

    def actuation_recovered(self, workload: Workload) -> None:
        """Show that changes succeed again."""
        self._scaling.actuation_recovered(workload)

    def connections_open(self, kind: str, count: int) -> None:
        """Show how many shared clients are open."""
        self._connections.labels(kind).set(count)

    def configuration_reloaded(self, *, accepted: bool, part: str = "manifests") -> None:
        """Count an edit, and show whether any stands rejected."""
        self._reloads.labels("accepted" if accepted else "rejected").inc()
        (self._rejected.discard if accepted else self._rejected.add)(part)
        self._accepted.set(0 if self._rejected else 1)

    def configuration_dropped(self, *, part: str) -> None:
        """What is gone stands rejected no longer."""
        self._rejected.discard(part)
        self._accepted.set(0 if self._rejected else 1)

    def traffic(self, workload: Workload, *, held: int, in_flight: int) -> None:
        """Show the requests."""
        self._ingress.traffic(workload, held=held, in_flight=in_flight)

    def hold_ended(self, workload: Workload, *, held_s: float, outcome: HoldOutcome) -> None:
        """Count how a hold ended."""
        self._ingress.hold_ended(workload, held_s=held_s, outcome=outcome)

    def proxy_up(self, *, up: bool) -> None:
        """Show whether a proxy serves."""
        self._ingress.proxy_up(up=up)

    def proxy_lost(self, *, requests: int) -> None:
        """Count a proxy's death."""
        self._ingress.proxy_lost(requests=requests)

    def proxy_rejected(self, workloads: tuple[Workload, ...], *, error: str) -> None:
        """Count a refused configuration."""
        self._ingress.proxy_rejected(workloads, error=error)

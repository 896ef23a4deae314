"""The series that say how the scaling of each workload goes: its bounds, what limits it, what fails, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Gauge

from scaler.model import Decision, Replica, Rule, Workload, ready_count
from scaler.observability.families import Families
from scaler.ports.recorder import Recorder

# From a process that starts at once to an image that is pulled first.
_WAKE_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


@dataclass(slots=True)
class _Scaling:
    """The labelled children of one workload, looked up once, and what its wake needs."""

    at_maximum: Gauge
    failing: Gauge
    limits: dict[Rule, Any] = field(default_factory=dict)
    reaction_s: Any = None
    wake_s: Any = None
    waking_since: float | None = None
    is_at_maximum: bool = False


class ScalingMetrics(Recorder):
    """Takes the facts of scaling. What seldom happens has no series before it does.

    Args:
        families: Makes the series.
        now: Seconds of a clock that only goes forward.
    """

    def __init__(self, families: Families, *, now: Callable[[], float] = time.monotonic) -> None:
        gauge = families.gauge
        self._now = now
        self._min = gauge("workload_min_replicas", "Least replicas that the manifest allows", "workload")
        self._max = gauge("workload_max_replicas", "Most replicas that the manifest allows", "workload")
        self._at_maximum = gauge(
            "workload_at_maximum", "1 while more replicas are wanted than the maximum allows", "workload"
        )
        self._failing = gauge("workload_failing", "1 while replicas cannot be changed as wanted", "workload")
        self._limits = families.counter("limits", "Decisions whose count a rule changed", "workload", "rule")
        self._reaction_s = families.sums_of_seconds(
            "workload_reaction", "From the reading to the start command that it caused", "workload"
        )
        self._wake_s = families.seconds(
            "wake", "From the decision to leave zero to the first replica that serves", "workload", buckets=_WAKE_S
        )
        self._series: dict[str, _Scaling] = {}

    def workload_added(self, workload: Workload) -> None:
        """Make the workload's series."""
        name = workload.name
        self._min.labels(name).set(workload.policy.min_replicas)
        self._max.labels(name).set(workload.policy.max_replicas)
        self._series[name] = _Scaling(self._at_maximum.labels(name), self._failing.labels(name))

    def workload_removed(self, workload: Workload) -> None:
        """Drop the workload's series."""
        series = self._series.pop(workload.name, None)
        # Each by all its labels: to look for a part of them goes through the series of all workloads.
        for metric in (self._min, self._max, self._at_maximum, self._failing, self._reaction_s, self._wake_s):
            metric.remove(workload.name)
        for rule in series.limits if series is not None else ():
            self._limits.remove(workload.name, rule)

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:  # noqa: ARG002
        """Show what limited the count, and see when a wake begins."""
        series = self._series[workload.name]
        at_maximum = False
        for limit in decision.limits:
            if limit.rule not in series.limits:
                series.limits[limit.rule] = self._limits.labels(workload.name, limit.rule)
            series.limits[limit.rule].inc()
            at_maximum = at_maximum or limit.rule is Rule.MAX_REPLICAS
        if at_maximum is not series.is_at_maximum:
            series.is_at_maximum = at_maximum
            series.at_maximum.set(1 if at_maximum else 0)
        if decision.desired == 0:
            series.waking_since = None
        elif decision.current == 0:
            series.waking_since = self._now()
            if series.wake_s is None:
                # Now, not at its end: a scrape in between sees a zero, so that the first wake counts as an increase.
                series.wake_s = self._wake_s.labels(workload.name)

    def observed(self, workload: Workload, replicas: tuple[Replica, ...]) -> None:
        """See when a wake ends."""
        series = self._series[workload.name]
        if series.waking_since is not None and ready_count(replicas):
            series.wake_s.observe(self._now() - series.waking_since)
            series.waking_since = None

    def actuated(
        self,
        workload: Workload,
        *,
        started: int,  # noqa: ARG002
        stopped: int,  # noqa: ARG002
        failed: int,  # noqa: ARG002
        duration_s: float,  # noqa: ARG002
        reaction_s: float | None,
    ) -> None:
        """Add up how long starts took."""
        if reaction_s is not None:
            series = self._series[workload.name]
            series.reaction_s = series.reaction_s or self._reaction_s.labels(workload.name)
            series.reaction_s.observe(reaction_s)

    def actuation_failed(self, workload: Workload, *, error: str) -> None:  # noqa: ARG002
        """Show that replicas are not as wanted."""
        self._series[workload.name].failing.set(1)

    def actuation_recovered(self, workload: Workload) -> None:
        """Show that they are again."""
        self._series[workload.name].failing.set(0)

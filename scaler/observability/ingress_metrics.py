"""The series of the ingress: requests held and in flight, how holds end, and the proxy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import Gauge

from scaler.model import App, Workload
from scaler.observability.families import Families
from scaler.ports.recorder import HoldOutcome, Recorder

# From the start of a process to the longest that a request is held.
_HOLD_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 240)
# Who was answered at once did not wait.
_WAITED = frozenset({HoldOutcome.RELEASED, HoldOutcome.TIMED_OUT, HoldOutcome.FAILED, HoldOutcome.GONE})


@dataclass(slots=True)
class _AppSeries:
    """The labelled children of one app, looked up once."""

    held: Any
    in_flight: Any
    hold_s: Any
    holds: Mapping[HoldOutcome, Any]


class IngressMetrics(Recorder):
    """Takes the facts of the ingress. A workload without ingress has no series here."""

    def __init__(self, families: Families) -> None:
        gauge, counter = families.gauge, families.counter
        self._held = gauge("requests_held", "Requests that wait for a replica", "workload")
        self._in_flight = gauge("requests_in_flight", "Requests that replicas have", "workload")
        self._hold_s = families.seconds(
            "hold_duration", "How long requests waited for a replica", "workload", buckets=_HOLD_S
        )
        self._holds = counter(
            "holds", "Requests that came while no replica was ready, by what became of them", "workload", "outcome"
        )
        self._rejections = counter("proxy_rejections", "Configurations that a proxy refused", "workload")
        self._families = families
        self._up: Gauge | None = None
        self._deaths = counter("proxy_deaths", "Proxies that ended unasked")
        self._lost = counter("proxy_lost_requests", "Requests that ended with their proxy")
        self._series: dict[str, _AppSeries] = {}

    def workload_added(self, workload: Workload) -> None:
        """Make an app's series, so that they are there before the first request."""
        if not isinstance(workload.target, App) or workload.target.ingress is None:
            return
        series = _AppSeries(
            self._held.labels(workload.name),
            self._in_flight.labels(workload.name),
            self._hold_s.labels(workload.name),
            # All of them: the first of an outcome is to be seen as an increase.
            {outcome: self._holds.labels(workload.name, outcome) for outcome in HoldOutcome},
        )
        self._rejections.labels(workload.name)
        self._series[workload.name] = series

    def workload_removed(self, workload: Workload) -> None:
        """Drop an app's series."""
        if self._series.pop(workload.name, None):
            for metric in (self._held, self._in_flight, self._hold_s, self._holds, self._rejections):
                metric.remove_by_labels({"workload": workload.name})

    def traffic(self, workload: Workload, *, held: int, in_flight: int) -> None:
        """Show the requests."""
        if series := self._series.get(workload.name):
            series.held.set(held)
            series.in_flight.set(in_flight)

    def hold_ended(self, workload: Workload, *, held_s: float, outcome: HoldOutcome) -> None:
        """Count what became of a request, and observe how long it waited where it did."""
        if series := self._series.get(workload.name):
            series.holds[outcome].inc()
            if outcome in _WAITED:
                series.hold_s.observe(held_s)

    def proxy_up(self, *, up: bool) -> None:
        """Show whether a proxy serves. There is no such series before: without ingress there is none to be down."""
        if self._up is None:
            self._up = self._families.gauge("proxy_up", "1 while a proxy is connected that serves")
        self._up.set(1 if up else 0)

    def proxy_lost(self, *, requests: int) -> None:
        """Count a proxy's death and what went with it."""
        self._deaths.inc()
        self._lost.inc(requests)

    def proxy_rejected(self, workloads: tuple[Workload, ...], *, error: str) -> None:  # noqa: ARG002
        """Count a refused configuration for each of those it was of, and without a name when it was of none."""
        if not workloads:
            self._rejections.labels("").inc()
        for workload in workloads:
            if workload.name in self._series:
                self._rejections.labels(workload.name).inc()

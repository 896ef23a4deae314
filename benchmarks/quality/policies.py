"""The policies that are compared: ours, KEDA with the HPA, Knative, and counts that are given."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.quality.hpa import Hpa, Metric
from benchmarks.quality.manifest import KEDA_COOLDOWN_S, KEDA_POLLING_S, MAX_REPLICAS
from benchmarks.quality.plant import View
from benchmarks.quality.traces import Work
from scaler.decision import decide, initial_state
from scaler.decision.concurrency import autoscaler, windows
from scaler.model import ConcurrencyPolicy, FlightSecond, Reading, ReplicaCounts, Workload

# Where a trace begins on the clock of our decision, which is never near 0.
_EPOCH_S = 1_700_000_000.0
_PUSH_S = 0.05  # from a request that is held to the decision
_HPA_SYNC_S, _HPA_WINDOW_S, _HPA_TOLERANCE = 15.0, 300.0, 0.1
_LEFT_OVER_S = 1.0  # how often it is looked whether something was left
_KNATIVE_TICK_S, _KNATIVE_GRACE_S = 2.0, 30.0


def _phase(seed: int, what: str, period_s: float) -> float:
    """Return when a clock first ticks: clocks know nothing of traces."""
    return random.Random(f"{seed} {what}").uniform(0.0, period_s)  # noqa: S311 - a phase is no secret


class Ours:
    """`decide()` itself, at the moments at which the service would take it."""

    def __init__(self, workload: Workload, seed: int) -> None:
        self._workload = workload
        (self._trigger,) = workload.policy.triggers
        self._state = initial_state(_EPOCH_S)
        self._begins_at = _phase(seed, "ours", workload.polling_interval_s)
        # Requests that are held wake the service; a queue is polled.
        self.wakes_after_s = None if self._trigger.concurrency is None else _PUSH_S
        self._busy = False

    def begin(self) -> float:
        """See `Policy`."""
        return self._begins_at

    def act(self, view: View) -> tuple[int, float]:
        """See `Policy`."""
        replicas = ReplicaCounts(view.spec, view.spec, view.ready)
        decision, self._state = decide(
            self._workload.policy, self._state, {self._trigger.name: self._reading(view)}, replicas, _EPOCH_S + view.now
        )
        return decision.desired, view.now + self._workload.polling_interval_at(decision.desired)

    def _reading(self, view: View) -> Reading:
        if view.in_system is None or view.counted is None:
            return Reading.failed("no answer")
        if self._trigger.concurrency is None:
            return Reading(float(view.counted))
        active = bool(view.in_system or view.mean)
        return Reading(float(view.in_system), active=active, mean=view.mean)


class Keda:
    """KEDA's loop for 0 <-> 1 and the HPA's for 1 <-> N, each reading the source itself."""

    def __init__(self, work: Work, seed: int) -> None:
        self._polls_at = _phase(seed, "keda", KEDA_POLLING_S)
        self._syncs_at = _phase(seed, "hpa", _HPA_SYNC_S)
        metric = Metric("load", work.target * 1000)
        self._hpa = Hpa([metric], least=1, most=MAX_REPLICAS, window_s=_HPA_WINDOW_S, tolerance=_HPA_TOLERANCE)
        self._last_active_at: float | None = None
        # The HTTP add-on tells KEDA of a request that it holds; a queue is polled.
        self.wakes_after_s = 0.2 if work.by_requests else None

    def begin(self) -> float:
        """See `Policy`."""
        return min(self._polls_at, self._syncs_at)

    def act(self, view: View) -> tuple[int, float]:
        """See `Policy`."""
        count = view.spec
        if view.now >= self._syncs_at:
            self._syncs_at += _HPA_SYNC_S
            value = None if view.counted is None else view.counted * 1000
            count, _ = self._hpa.sync({"load": value}, spec=count, status=count, ready=view.ready, now=view.now)
        woken = self.wakes_after_s is not None and not view.spec and bool(view.counted)
        if view.now >= self._polls_at or woken:
            count = self._poll(view, count)
        while self._polls_at <= view.now:
            self._polls_at += KEDA_POLLING_S
        return count, min(self._polls_at, self._syncs_at)

    def _poll(self, view: View, count: int) -> int:
        if view.counted is None:
            return count  # an error without a fallback holds
        if view.counted > 0:
            self._last_active_at = view.now
            return max(count, 1)
        over = self._last_active_at is None or self._last_active_at + KEDA_COOLDOWN_S < view.now
        return 0 if over else count


class Knative:
    """Its autoscaler (`scaler.decision.concurrency` has its recorded answers) every 2 s, and its way to zero.

    It is told what the source counts, as the others are, or (`told_all`) all that is in the system.
    """

    wakes_after_s: float | None = _PUSH_S

    def __init__(self, work: Work, seed: int, *, told_all: bool = False) -> None:
        self._target = float(work.target)
        self._told_all = told_all or work.in_progress
        self._rules = ConcurrencyPolicy()
        self._begins_at = _phase(seed, "knative", _KNATIVE_TICK_S)
        self._memory = autoscaler.started(0, 0.0)
        self._seconds: tuple[FlightSecond, ...] = ()
        self._read_at: float | None = None
        self._active_since: float | None = None
        self._inactive_since: float | None = None

    def begin(self) -> float:
        """See `Policy`."""
        return self._begins_at

    def act(self, view: View) -> tuple[int, float]:
        """See `Policy`."""
        again = view.now + _KNATIVE_TICK_S
        seen = view.in_system if self._told_all else view.counted
        if seen is None:
            return view.spec, again  # no metrics: the scale stays
        if not view.spec and not seen:
            self._seconds, self._read_at = (), view.now
            return 0, again
        mean = view.mean if self._told_all else float(seen)
        if self._read_at is not None and mean is not None and view.spec:
            length = windows.length_of(self._rules.stable_window_s)
            self._seconds = windows.cover(self._seconds, self._read_at, view.now, mean, length)
        self._read_at = view.now
        # From zero the activator reports an average concurrency of 1 for the first request at once.
        first = 1.0 if not view.spec else float(seen)
        stable, panic = (self._average(seconds, view.now, first) for seconds in (60, 6))
        wants, self._memory = autoscaler.scale(
            self._rules, self._target, self._memory, stable=stable, panic=panic, ready=view.ready, now=view.now
        )
        return self._bounded(min(wants, MAX_REPLICAS), view.now), again

    def _average(self, seconds: int, now: float, otherwise: float) -> float:
        found = windows.average(self._seconds, math.floor(now), seconds)
        return otherwise if found is None else found

    def _bounded(self, wants: int, now: float) -> int:
        """Return the count by its rules for zero: active for a stable window, then inactive for the grace period."""
        if wants:
            if self._active_since is None:
                self._active_since = now
            self._inactive_since = None
            return wants
        if self._active_since is not None and now - self._active_since < self._rules.stable_window_s:
            return 1
        if self._inactive_since is None:
            self._inactive_since = now
        if now - self._inactive_since < _KNATIVE_GRACE_S:
            return 1
        self._active_since, self._memory = None, replace(self._memory, panic_since=None, panic_replicas=0)
        self._seconds = ()
        return 0


class Given:
    """Counts that were decided beforehand, each with the moment from which on; of several at one moment the last.

    Where they end before the work does, one replica sees to what is left.
    """

    wakes_after_s: float | None = None

    def __init__(self, course: Sequence[tuple[float, int]]) -> None:
        self._course = list(course)
        self._next = 0

    @classmethod
    def constant(cls, count: int) -> Given:
        """Return one count from the beginning to the end."""
        return cls([(0.0, count)])

    def begin(self) -> float:
        """See `Policy`."""
        return self._course[0][0]

    def act(self, view: View) -> tuple[int, float]:
        """See `Policy`."""
        while self._next < len(self._course) and self._course[self._next][0] <= view.now:
            self._next += 1
        count = self._course[self._next - 1][1]
        upcoming = self._course[self._next][0] if self._next < len(self._course) else math.inf
        if not count and view.in_system:
            return 1, min(upcoming, view.now + _LEFT_OVER_S)
        return count, upcoming

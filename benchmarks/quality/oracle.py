"""What somebody who knows the future would pay: a bound below every policy, and a plan that can be carried out.

The bound: all work takes its time on some slot, and something has to start. No policy that serves the work costs
less.

The plan: pieces of work are given to slots in the order of their arrival, each so that it waits no longer than a
patience. A slot that is free in time and was so last takes it; waiting idle for it costs the idle time, a new replica
costs its start. A new one begins as late as the piece can wait, so that what comes meanwhile follows without a gap. The
counts that come out of this, each start early by what it takes, are then run like any policy: what they cost and miss
is measured.

Of the plans with several patiences, and of the course of the policy to compare with (who knows the future could repeat
it), the cheapest counts whose misses are no more than those of that policy.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

from benchmarks.quality.plant import Outcome, run
from benchmarks.quality.policies import Given
from benchmarks.quality.traces import Trace

# Shares of the SLO that pieces of work may wait in a plan.
PATIENCE = (0.0, 0.3, 0.6, 0.8, 0.9, 1.0, 1.5, 2.5)


def bound(trace: Trace) -> float:
    """Return replica-seconds that no policy can do without."""
    if not trace.services:
        return 0.0
    return sum(trace.services) / trace.work.slots + next(trace.starts())


def plan(trace: Trace, patience_s: float) -> list[tuple[float, int]]:
    """Return counts, each with the moment from which on, by which hardly anything waits longer."""
    start_s = fmean(islice(trace.starts(), 200))
    # Slots that are free, by when they became so, each with when it began.
    free: list[tuple[float, float]] = []
    used: list[tuple[float, float]] = []
    # What a slot may wait idle, before ending it and starting another costs less.
    idle_s = start_s
    for arrived_at, service_s in zip(trace.arrivals, trace.services, strict=True):
        while free and free[0][0] + idle_s < arrived_at:
            ended_at, began_at = free.pop(0)
            used.append((began_at, ended_at))
        at = bisect_right(free, (arrived_at + patience_s, float("inf"))) - 1
        if at >= 0:
            free_at, began_at = free.pop(at)
            begins_at = max(arrived_at, free_at)
        else:
            begins_at = began_at = arrived_at + patience_s
        insort(free, (begins_at + service_s, began_at))
    used += [(began_at, ended_at) for ended_at, began_at in free]
    return _counts(trace, used, start_s)


def _counts(trace: Trace, used: Sequence[tuple[float, float]], start_s: float) -> list[tuple[float, int]]:
    """Return the counts of replicas for slots that are used from and to some moments, each start ahead of its use."""
    slots = trace.work.slots
    changes = sorted([(began_at - start_s, 1) for began_at, _ in used] + [(ended_at, -1) for _, ended_at in used])
    course: list[tuple[float, int]] = [(0.0, 0)]
    level = 0
    for at, change in changes:
        level += change
        count = -(-level // slots)
        moment = max(at, 0.0)
        if course[-1][0] == moment:
            course[-1] = (moment, count)
        elif course[-1][1] != count:
            course.append((moment, count))
    return course


@dataclass(frozen=True, slots=True)
class Oracle:
    """The clairvoyant's choice for each number of misses.

    Attributes:
        outcomes: What the plans come to.
        bound: See the module.
    """

    outcomes: Sequence[Outcome]
    bound: float

    @classmethod
    def of(cls, trace: Trace) -> Oracle:
        """Return that of a trace, its plans run."""
        patience = [share * trace.work.slo_s for share in PATIENCE]
        return cls([run(trace, Given(plan(trace, each))) for each in patience], bound(trace))

    def at_misses_of(self, other: Outcome, slo_s: float) -> Outcome:
        """Return the cheapest that misses no more than another policy, that policy's own course among them."""
        allowed = other.misses(slo_s)
        able = [each for each in self.outcomes if each.misses(slo_s) <= allowed]
        return min([*able, other], key=lambda each: each.replica_seconds)

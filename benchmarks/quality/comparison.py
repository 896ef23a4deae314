"""Runs each trace through each policy, and says what came of it in figures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product

from benchmarks.machine import percentile
from benchmarks.quality import manifest
from benchmarks.quality.oracle import Oracle
from benchmarks.quality.plant import Outcome, run
from benchmarks.quality.policies import Given, Keda, Knative, Ours
from benchmarks.quality.traces import KINDS, SHAPES, Shape, Trace, Work, draw

OURS, SAME, QUICK = "ours", "ours, KEDA's fields", "ours, 90 s to zero"
KEDA, KNATIVE, TOLD_ALL = "KEDA + HPA", "Knative", "Knative, told all"
MEAN, PEAK, ORACLE = "static, mean", "static, peak", "oracle"
SAME_AS, DOMINATES, DOMINATED, NEITHER = "same", "ours dominates", "other dominates", "neither"
# Knative's own time to zero: its stable window, and its grace period after that.
_KNATIVE_TO_ZERO_S = 90.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a trace under a policy.

    Attributes:
        p50, p95, p99: Seconds that work waited.
        missed: How many pieces waited longer than the SLO.
        share: The same as a part of all.
        replica_seconds: What it cost.
        changes: How often the count changed.
    """

    p50: float
    p95: float
    p99: float
    missed: int
    share: float
    replica_seconds: float
    changes: int

    @classmethod
    def of(cls, outcome: Outcome, slo_s: float) -> Figures:
        """Return those of an outcome."""
        p50, p95, p99 = (percentile(outcome.waits, part) for part in (0.5, 0.95, 0.99))
        missed = outcome.misses(slo_s)
        share = missed / len(outcome.waits)
        return cls(p50, p95, p99, missed, share, outcome.replica_seconds, outcome.changes)


@dataclass(frozen=True, slots=True)
class Compared:
    """One trace through all policies.

    Attributes:
        trace: It.
        figures: By policy; the oracle's at as many misses as ours.
        courses: The counts over time, by policy.
        bound: Replica-seconds below which nothing can be.
    """

    trace: Trace
    figures: Mapping[str, Figures]
    courses: Mapping[str, Sequence[tuple[float, int]]]
    bound: float

    def cost_ratio(self, other: str) -> float:
        """Return what ours costs, compared with another."""
        return self.figures[OURS].replica_seconds / self.figures[other].replica_seconds

    def better_than(self, other: str) -> bool:
        """Tell whether ours misses less at no more cost; where there is nothing to miss, as little."""
        ours, theirs = self.figures[OURS], self.figures[other]
        fewer = ours.missed < theirs.missed or ours.missed == theirs.missed == 0
        return fewer and ours.replica_seconds <= theirs.replica_seconds

    def standing(self, other: str) -> str:
        """Return how ours stands to another: one dominates if it is no worse in misses and cost, and not the same."""
        ours, theirs = (
            (figures.missed, figures.replica_seconds) for figures in (self.figures[OURS], self.figures[other])
        )
        if ours == theirs:
            return SAME_AS
        if all(a <= b for a, b in zip(ours, theirs, strict=True)):
            return DOMINATES
        return DOMINATED if all(a >= b for a, b in zip(ours, theirs, strict=True)) else NEITHER


def compare(shape: Shape, work: Work, seed: int) -> Compared:
    """Return what comes of one trace."""
    trace = draw(shape, work, seed)
    outcomes = {
        OURS: run(trace, Ours(manifest.workload(work), seed)),
        SAME: run(trace, Ours(manifest.workload(work, manifest.KEDA_FIELDS), seed)),
        QUICK: run(trace, Ours(manifest.workload(work, {"cooldownPeriod": _KNATIVE_TO_ZERO_S}), seed)),
        KEDA: run(trace, Keda(work, seed)),
        KNATIVE: run(trace, Knative(work, seed)),
    }
    if not work.in_progress:
        outcomes[TOLD_ALL] = run(trace, Knative(work, seed, told_all=True))
    ours = outcomes[OURS]
    outcomes[MEAN] = run(trace, Given.constant(max(1, round(ours.replica_seconds / trace.duration_s))))
    outcomes[PEAK] = run(trace, Given.constant(ours.peak))
    oracle = Oracle.of(trace)
    outcomes[ORACLE] = oracle.at_misses_of(ours, work.slo_s)
    return Compared(
        trace,
        {name: Figures.of(outcome, work.slo_s) for name, outcome in outcomes.items()},
        {name: outcome.course for name, outcome in outcomes.items()},
        oracle.bound,
    )


def compare_all(seed: int, shapes: Sequence[Shape] = SHAPES, kinds: Sequence[Work] = KINDS) -> list[Compared]:
    """Return what comes of every trace, as many at a time as there are cores."""
    pairs = list(product(kinds, shapes))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        running = [pool.submit(compare, shape, work, seed) for work, shape in pairs]
        return [each.result() for each in running]

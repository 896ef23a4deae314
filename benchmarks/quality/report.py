"""The comparison as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.quality.comparison import (
    DOMINATED,
    DOMINATES,
    KEDA,
    KNATIVE,
    NEITHER,
    ORACLE,
    OURS,
    SAME_AS,
    TOLD_ALL,
    Compared,
)

GOAL = 1.3


def table(compared: Compared) -> Iterator[str]:
    """Yield the lines of one trace."""
    trace = compared.trace
    yield (
        f"{trace.work.name} / {trace.name}: {len(trace.arrivals)} pieces of work in {trace.duration_s:g} s,"
        f" SLO {trace.work.slo_s:g} s, bound {compared.bound:.0f} replica-seconds"
    )
    waits = f"{'p50':>6} {'p95':>6} {'p99':>6}"
    yield f"  {'policy':<20} {waits} {'missed':>8} {'replica-s':>9} {'/bound':>6} {'changes':>7}"
    for name, each in compared.figures.items():
        yield (
            f"  {name:<20} {each.p50:>6.2f} {each.p95:>6.2f} {each.p99:>6.2f} {each.share:>8.2%}"
            f" {each.replica_seconds:>9.0f} {each.replica_seconds / compared.bound:>6.2f} {each.changes:>7}"
        )


def ratios(all_compared: Sequence[Compared]) -> Iterator[str]:
    """Yield a line a trace: misses and cost of ours beside the others', and whether the goals are met."""
    yield "| trace | missed: ours | KEDA | Knative | cost: ours/KEDA | ours/Knative | ours/oracle | goals met |"
    yield "|---|---|---|---|---|---|---|---|"
    for each in all_compared:
        missed = " | ".join(f"{each.figures[name].share:.2%}" for name in (OURS, KEDA, KNATIVE))
        costs = " | ".join(f"{each.cost_ratio(name):.2f}" for name in (KEDA, KNATIVE, ORACLE))
        met = ", ".join(goals(each)) or "none"
        yield f"| {each.trace.work.name} / {each.trace.name} | {missed} | {costs} | {met} |"


def goals(compared: Compared) -> list[str]:
    """Return which of the goals a trace meets."""
    met = [name for name in (KEDA, KNATIVE) if compared.better_than(name)]
    return [*met, *(["oracle"] if compared.cost_ratio(ORACLE) <= GOAL else [])]


def totals(all_compared: Sequence[Compared]) -> Iterator[str]:
    """Yield how many traces meet each goal."""
    for goal, what in (
        (KEDA, "fewer misses than KEDA + HPA (or none) at no more replica-seconds"),
        (KNATIVE, "fewer misses than Knative (or none) at no more replica-seconds"),
        ("oracle", f"within {GOAL} of the oracle's cost at equal misses"),
    ):
        met = sum(goal in goals(each) for each in all_compared)
        yield f"{what}: {met} of {len(all_compared)} traces"
    yield ""
    yield f"| compared with | work | {DOMINATES} | {SAME_AS} | {NEITHER} | {DOMINATED} |"
    yield "|---|---|---|---|---|---|"
    for other in (KEDA, KNATIVE, TOLD_ALL):
        for kind in dict.fromkeys(each.trace.work.name for each in all_compared):
            of_kind = [each for each in all_compared if each.trace.work.name == kind and other in each.figures]
            if of_kind:
                found = Counter(each.standing(other) for each in of_kind)
                counts = " | ".join(str(found[name]) for name in (DOMINATES, SAME_AS, NEITHER, DOMINATED))
                yield f"| {other} | {kind} | {counts} |"

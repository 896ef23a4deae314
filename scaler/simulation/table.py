"""Prints a simulation for people: a line a decision, and what it adds up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scaler.model import TriggerOutcome
from scaler.simulation.replay import Row, summarize


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines; the last one sums up."""
    yield f"{'t':>10} {'replicas':>8} {'desired':>7}  {'reason':<11} {'next change':>11}  triggers; limits"
    for row in rows:
        decision = row.decision
        upcoming = "" if row.next_change_at is None else f"{row.next_change_at:g}"
        why = ", ".join(_describe(outcome) for outcome in decision.triggers)
        limits = ", ".join(f"{limit.rule} {limit.before}->{limit.after}" for limit in decision.limits)
        line = (
            f"{row.t:>10g} {decision.current:>8} {decision.desired:>7}  {decision.reason:<11} {upcoming:>11}"
            f"  {why}{'; ' if limits else ''}{limits}"
        )
        yield line.rstrip()
    total = summarize(rows)
    yield f"replica-seconds {total.replica_seconds:g}, changes {total.changes}, seconds at zero {total.zero_s:g}"


def _describe(outcome: TriggerOutcome) -> str:
    if outcome.value is None:
        return f"{outcome.name}=unknown"
    return f"{outcome.name}={outcome.value:g}/{outcome.target:g}"

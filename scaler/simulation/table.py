"""Prints a simulation for people: a line a decision, and what it adds up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scaler.model import TriggerOutcome
from scaler.simulation.replay import Row, summarize


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines; the last one sums up."""
    yield f"{'t':>14} {'replicas':>8} {'desired':>7}  {'reason':<11} {'next change':>14}  triggers; limits"
    for row in rows:
        decision = row.decision
        upcoming = "" if row.next_change_at is None else _seconds(row.next_change_at)
        why = ", ".join(_describe(outcome) for outcome in decision.triggers)
        limits = ", ".join(f"{limit.rule} {limit.before}->{limit.after}" for limit in decision.limits)
        line = (
            f"{_seconds(row.t):>14} {decision.current:>8} {decision.desired:>7}  {decision.reason:<11} {upcoming:>14}"
            f"  {why}{'; ' if limits else ''}{limits}"
        )
        yield line.rstrip()
    total = summarize(rows)
    yield (
        f"replica-seconds {_seconds(total.replica_seconds)}, changes {total.changes},"
        f" seconds at zero {_seconds(total.zero_s)}"
    )


def _seconds(value: float) -> str:
    """Return seconds to the millisecond, without the zeros: recorded traces count from the epoch."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _describe(outcome: TriggerOutcome) -> str:
    if outcome.value is None:
        return f"{outcome.name}=unknown"
    shown = outcome.metric_type.shown
    text = f"{outcome.name}={shown(outcome.value)}/{shown(outcome.target)}"
    if outcome.windows is not None:
        text += f" (panic {shown(outcome.windows.panic)}{', panicking' if outcome.windows.panicking else ''})"
    return text

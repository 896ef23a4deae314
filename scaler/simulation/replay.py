"""Takes the decisions that a workload's policy takes on a trace."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scaler.decision import decide, initial_state
from scaler.model import Decision, Reading, ReplicaCounts, TriggerOutcome, Workload
from scaler.simulation.trace import TraceStep

# Times in a trace are seconds with a fraction; epoch seconds leave a double about this many exact digits of it.
_TIME_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One decision of a simulation; all times are those of the trace."""

    t: float
    decision: Decision
    next_change_at: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the row in its public form, ready for `json.dumps`."""
        decision = self.decision
        return {
            "t": self.t,
            "replicas": decision.current,
            "desired": decision.desired,
            "active": decision.active,
            "reason": decision.reason.value,
            "triggers": [
                {
                    "name": outcome.name,
                    "type": outcome.type,
                    "value": outcome.value,
                    "active": outcome.active,
                    "target": outcome.target,
                    "wants": outcome.wants,
                    "error": outcome.error,
                    **_windows(outcome),
                }
                for outcome in decision.triggers
            ],
            "limits": [
                {"rule": limit.rule.value, "from": limit.before, "to": limit.after} for limit in decision.limits
            ],
            "next_change_at": self.next_change_at,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """What a simulation adds up to, from its first row to its last.

    Attributes:
        replica_seconds: Replicas multiplied by the seconds they were there.
        changes: Decisions that changed the count.
        zero_s: Seconds without any replica.
    """

    replica_seconds: float
    changes: int
    zero_s: float


class _Replicas:
    """Simulated replicas: there as soon as they are decided, ready some time later; the newest go first."""

    def __init__(self, count: int, ready_after_s: float) -> None:
        self._ready_after_s = ready_after_s
        self._ready_at = [float("-inf")] * count

    def resize(self, count: int, now: float) -> None:
        del self._ready_at[count:]
        self._ready_at += [now + self._ready_after_s] * (count - len(self._ready_at))

    def observed(self, now: float, *, replicas: int | None, ready: int | None) -> ReplicaCounts:
        """Return the counts at this moment, given what the trace says about them."""
        if replicas is not None:
            del self._ready_at[replicas:]
            self._ready_at += [float("-inf")] * (replicas - len(self._ready_at))
        count = len(self._ready_at)
        if ready is not None:
            ready = min(ready, count)
            self._ready_at = [float("-inf")] * ready + [now + self._ready_after_s] * (count - ready)
            return ReplicaCounts(count, count, ready)
        return ReplicaCounts(count, count, sum(at <= now for at in self._ready_at))


def simulate(
    workload: Workload,
    steps: Sequence[TraceStep],
    *,
    replicas: int | None = None,
    every_s: float | None = None,
    ready_after_s: float = 0.0,
    start: float = 0.0,
) -> Iterator[Row]:
    """Yield a decision at each step, and every so often between the first and the last.

    Args:
        workload: What is scaled; only its policy matters.
        steps: The trace, times not falling.
        replicas: The count before the first step; the policy's minimum when None.
        every_s: Decide at each multiple of this after the first step too, with the readings as they then stand.
        ready_after_s: Seconds until a new replica is ready.
        start: The time of t = 0, in seconds since the epoch.

    Raises:
        ValueError: `every_s` is not above zero, or another number is negative.
    """
    if every_s is not None and not every_s > 0:
        raise ValueError("every_s must be above zero")
    if ready_after_s < 0 or (replicas is not None and replicas < 0):
        raise ValueError("replicas and ready_after_s must not be negative")
    policy = workload.policy
    simulated = _Replicas(policy.min_replicas if replicas is None else replicas, ready_after_s)
    readings: dict[str, Reading] = {}
    state = initial_state(start + steps[0].t) if steps else initial_state(start)
    in_flight = {trigger.name for trigger in policy.triggers if trigger.concurrency is not None}
    for step in _with_repeats(steps, every_s):
        for name, reading in step.readings.items():
            since_epoch = _since_epoch(reading, start)
            readings[name] = _active_until_now(readings.get(name), since_epoch) if name in in_flight else since_epoch
        counts = simulated.observed(step.t, replicas=step.replicas, ready=step.ready)
        decision, state = decide(policy, state, readings, counts, start + step.t)
        simulated.resize(decision.desired, step.t)
        # An average belongs to the time before its own step, and so does its activity; after it what was read holds.
        for name, given in step.readings.items():
            if given.mean is not None or readings[name].active is not given.active:
                readings[name] = replace(readings[name], mean=None, active=given.active)
        upcoming = decision.next_change_at
        yield Row(step.t, decision, None if upcoming is None else round(upcoming - start, _TIME_DIGITS))


def json_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield each row as a line of JSON."""
    return (json.dumps(row.as_json()) for row in rows)


def summarize(rows: Iterable[Row]) -> Summary:
    """Return what the rows add up to."""
    replica_seconds = zero_s = 0.0
    changes = 0
    previous: Row | None = None
    for row in rows:
        changes += row.decision.desired != row.decision.current
        if previous is not None:
            elapsed_s = row.t - previous.t
            replica_seconds += previous.decision.desired * elapsed_s
            zero_s += elapsed_s if previous.decision.desired == 0 else 0.0
        previous = row
    return Summary(replica_seconds, changes, zero_s)


def _windows(outcome: TriggerOutcome) -> dict[str, Any]:
    """Return what the windows of requests in flight say; nothing for any other trigger."""
    windows = outcome.windows
    if windows is None:
        return {}
    return {"windows": {"stable": windows.stable, "panic": windows.panic, "panicking": windows.panicking}}


def _since_epoch(reading: Reading, start: float) -> Reading:
    return reading if reading.changes_at is None else replace(reading, changes_at=reading.changes_at + start)


def _active_until_now(before: Reading | None, reading: Reading) -> Reading:
    """Return a reading of requests in flight as its trigger gives it: active if any was since the one before it."""
    was_busy = bool(reading.mean) or (before is not None and bool(before.value))
    return (
        replace(reading, active=True) if was_busy and reading.active is None and reading.value is not None else reading
    )


def _with_repeats(steps: Sequence[TraceStep], every_s: float | None) -> Iterator[TraceStep]:
    """Yield the steps, with empty ones at the multiples of `every_s` where there is none."""
    if every_s is None:
        yield from steps
        return
    count = 1
    for index, step in enumerate(steps):
        while index and (at := round(steps[0].t + count * every_s, _TIME_DIGITS)) <= step.t:
            if at < step.t:
                yield TraceStep(at, {})
            count += 1
        yield step

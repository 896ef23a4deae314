"""Follows the requests in flight: what is remembered of them, and what count they ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from scaler.decision.concurrency import autoscaler, windows
from scaler.decision.concurrency.forecast import Steady, changes_at
from scaler.model import (
    ConcurrencyPolicy,
    ConcurrencyState,
    ConcurrencyWindows,
    DecisionState,
    Reading,
    ReplicaCounts,
    ScalingPolicy,
    TriggerPolicy,
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the requests in flight ask for.

    Attributes:
        wants: The count.
        value: The number that gives it: the stable average, or what is held while nothing can serve.
        active: Whether something is or was in flight that keeps the workload up.
        windows: The averages.
        changes_at: Before when the count does not change by the mere passing of time; None when it never does.
    """

    wants: int
    value: float
    active: bool
    windows: ConcurrencyWindows
    changes_at: float | None = None


_AT_REST = Proposal(0, 0.0, active=False, windows=ConcurrencyWindows(0.0, 0.0, panicking=False))


@dataclass(frozen=True, slots=True)
class Followed:
    """What all triggers on requests in flight come to, by name.

    Attributes:
        memory: What they remember; absent for one that was never read.
        proposals: What they ask for; absent for one whose number is not known.
    """

    memory: Mapping[str, ConcurrencyState]
    proposals: Mapping[str, Proposal]


def follow(
    policy: ScalingPolicy, state: DecisionState, readings: Mapping[str, Reading], replicas: ReplicaCounts, now: float
) -> Followed:
    """Return what is remembered after these readings, and what they ask for."""
    memory: dict[str, ConcurrencyState] = {}
    proposals: dict[str, Proposal] = {}
    for trigger in policy.triggers:
        if trigger.concurrency is None:
            continue
        name = trigger.name
        flight = state.concurrency.get(name)
        reading = readings.get(name)
        if reading is None or not _is_known(trigger, reading):
            # The time until the next reading is not known either: it counts for nothing.
            if flight is not None:
                memory[name] = replace(flight, read_at=None)
            continue
        proposals[name], memory[name] = _follow(
            trigger, trigger.concurrency, flight, reading, replicas=replicas, now=now
        )
    return Followed(memory, proposals)


def settled(
    policy: ScalingPolicy, followed: Followed, readings: Mapping[str, Reading], count: int, now: float
) -> Mapping[str, Proposal]:
    """Return what the same readings ask for once so many replicas serve, and when that can change."""
    return {
        trigger.name: _settled(
            trigger,
            trigger.concurrency,
            followed.memory[trigger.name],
            followed.proposals[trigger.name].windows,
            reading=readings[trigger.name],
            count=count,
            now=now,
        )
        for trigger in policy.triggers
        if trigger.concurrency is not None and trigger.name in followed.proposals
    }


def _is_known(trigger: TriggerPolicy, reading: Reading) -> bool:
    return reading.error is None and reading.value is not None and 0 < trigger.target < math.inf


def _follow(
    trigger: TriggerPolicy,
    rules: ConcurrencyPolicy,
    before: ConcurrencyState | None,
    reading: Reading,
    *,
    replicas: ReplicaCounts,
    now: float,
) -> tuple[Proposal, ConcurrencyState]:
    value = _amount(reading.value)
    if replicas.spec == 0 and value == 0:
        # Nothing is recorded at rest, so that a burst is averaged over the time since it began.
        return _AT_REST, ConcurrencyState(read_at=now)
    memory = before or ConcurrencyState()
    seconds = memory.seconds
    if _interrupted(memory, rules, now):
        begun = autoscaler.started(max(replicas.spec, replicas.ready), now)
        memory, seconds = replace(begun, delay=memory.delay), ()
    elif memory.read_at is not None and not _begins(memory, replicas):
        level = memory.in_flight if reading.mean is None else _amount(reading.mean)
        length = windows.length_of(max(rules.stable_window_s, rules.panic_window_s))
        seconds = windows.cover(seconds, memory.read_at, now, level, length)
    memory = replace(memory, seconds=seconds, in_flight=value, read_at=now)

    def average(window_s: float) -> float:
        found = windows.average(seconds, math.floor(now), windows.length_of(window_s), weighted=rules.weighted)
        return value if found is None else found

    averages = ConcurrencyWindows(average(rules.stable_window_s), average(rules.panic_window_s), panicking=False)
    return _propose(trigger, rules, memory, averages, reading=reading, replicas=replicas, now=now)


def _settled(
    trigger: TriggerPolicy,
    rules: ConcurrencyPolicy,
    memory: ConcurrencyState,
    averages: ConcurrencyWindows,
    *,
    reading: Reading,
    count: int,
    now: float,
) -> Proposal:
    value = memory.in_flight
    if count == 0 and value == 0:
        return _AT_REST
    counts = ReplicaCounts.settled(count)
    proposal, after = _propose(trigger, rules, memory, averages, reading=reading, replicas=counts, now=now)
    # What stays as it is: the number in flight, or the average that came with it.
    levels = {value, value if reading.mean is None else _amount(reading.mean)}
    held = 0.0 if count else value
    return replace(proposal, changes_at=changes_at(rules, trigger.target, after, Steady(count, levels, held), now))


def _propose(
    trigger: TriggerPolicy,
    rules: ConcurrencyPolicy,
    memory: ConcurrencyState,
    averages: ConcurrencyWindows,
    *,
    reading: Reading,
    replicas: ReplicaCounts,
    now: float,
) -> tuple[Proposal, ConcurrencyState]:
    # While nothing serves there is nothing to average: from zero straight to what is held.
    held = 0.0 if replicas.ready else memory.in_flight
    value = max(averages.stable, held)
    wants, memory = autoscaler.scale(
        rules,
        trigger.target,
        memory,
        stable=value,
        panic=max(averages.panic, held),
        ready=replicas.ready,
        now=now,
    )
    # What came and went keeps up what is there, but starts nothing: nobody waits for it any more.
    active = memory.in_flight > trigger.activation or (bool(reading.active) and replicas.spec > 0)
    shown = ConcurrencyWindows(averages.stable, averages.panic, panicking=memory.panic_since is not None)
    return Proposal(wants, value, active, shown), memory


def _interrupted(memory: ConcurrencyState, rules: ConcurrencyPolicy, now: float) -> bool:
    """Tell whether it was not read for as long as the panic window, or never: then nothing tells a lull from a gap."""
    if memory.read_at is not None:
        return False
    return not memory.seconds or memory.seconds[-1].second + 1 + rules.panic_window_s <= now


def _begins(memory: ConcurrencyState, replicas: ReplicaCounts) -> bool:
    """Tell whether these are the first requests of a workload at rest."""
    return replicas.spec == 0 and not memory.seconds and memory.in_flight == 0


def _amount(value: float | None) -> float:
    return value if value is not None and 0 < value < math.inf else 0.0

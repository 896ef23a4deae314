"""When the count that requests in flight ask for can change although their number stays as it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, repeat

from scaler.decision.concurrency import autoscaler, delay, windows
from scaler.model import ConcurrencyPolicy, ConcurrencyState

# So far ahead is looked; a longer window is looked at again by then.
_HORIZON_S = 120
# What sums of pieces of a second may differ by.
_EVEN = 1e-9


@dataclass(frozen=True, slots=True)
class Steady:
    """What stays as it is.

    Attributes:
        ready: Replicas that serve.
        level: Requests in flight.
        held: How many of them wait for a replica because none serves.
    """

    ready: int
    level: float
    held: float


def changes_at(
    rules: ConcurrencyPolicy, target: float, memory: ConcurrencyState, steady: Steady, now: float
) -> float | None:
    """Return a moment before which the count stays, to the second; None when no clock leads to another one."""
    even = _is_even(memory, steady.level)
    moments = []
    if memory.panic_since is not None:
        moments.append(memory.panic_since + rules.stable_window_s)
    if len(memory.delay) > 1 or (memory.delay and not even):
        moments.append(memory.delay[0].at + delay.length_s(rules.scale_down_delay_s))
    if rules.weighted and not (even and steady.level == 0):
        moments.append(now)  # its shares do not add up to one, so that it moves even then
    elif not even:
        moved = _averages_move_it_at(rules, target, memory, steady, now)
        if moved is not None:
            moments.append(moved)
    return max(now, min(moments)) if moments else None


def _is_even(memory: ConcurrencyState, level: float) -> bool:
    """Tell whether all that is known is the level, so that no linear average moves."""
    near = level * _EVEN
    return level == memory.in_flight and all(
        abs(request_seconds - level * known_s) <= near for _, request_seconds, known_s in memory.seconds
    )


def _averages_move_it_at(
    rules: ConcurrencyPolicy, target: float, memory: ConcurrencyState, steady: Steady, now: float
) -> float | None:
    level = steady.level
    lengths = [windows.length_of(window_s) for window_s in (rules.stable_window_s, rules.panic_window_s)]
    ahead_s = min(max(lengths), _HORIZON_S)
    instead = memory.in_flight
    stable, panic = (
        [
            max(steady.held, instead if average is None else average)
            for average in _averages(memory, length, ahead_s, level, now)
        ]
        for length in lengths
    )
    second = math.floor(now)
    present: int | None = None
    told: tuple[int, int] | None = None
    for index, (for_stable, for_panic) in enumerate(zip(stable, panic, strict=True)):
        needed = (math.ceil(for_stable / target), math.ceil(for_panic / target))
        if needed == told:
            continue
        told = needed
        wants, _ = autoscaler.scale(
            rules, target, memory, stable=for_stable, panic=for_panic, ready=steady.ready, now=now
        )
        if present is None:
            present = wants
        elif wants != present:
            return float(second + index // 2)
    return float(second + ahead_s) if max(lengths) > ahead_s else None


def _averages(memory: ConcurrencyState, length: int, ahead_s: int, level: float, now: float) -> list[float | None]:
    """Return the averages at the beginning of each second from now on, the first being now, and at its end.

    Within a second an average goes one way only, so that these tell.
    """
    second = math.floor(now)
    first = second - length + 1
    requests, known = [0.0] * length, [0.0] * length
    for number, request_seconds, known_s in memory.seconds:
        if first <= number <= second:
            requests[number - first], known[number - first] = request_seconds, known_s
    present, present_known = requests[-1], known[-1]
    rest_s = second + 1 - now
    requests[-1] += level * rest_s
    known[-1] += rest_s
    # Sums of all before each second; those ahead are full of the level.
    sums = list(accumulate((*requests, *repeat(level, ahead_s)), initial=0.0))
    known_sums = list(accumulate((*known, *repeat(1.0, ahead_s)), initial=0.0))
    averages = []
    for begin, end in enumerate(range(length, length + ahead_s + 1)):
        before, known_before = sums[begin], known_sums[begin]
        so_far, known_so_far = sums[end - 1] - before, known_sums[end - 1] - known_before
        if not begin:
            so_far, known_so_far = so_far + present, known_so_far + present_known
        averages.append(windows.mean(so_far, known_so_far))
        averages.append(windows.mean(sums[end] - before, known_sums[end] - known_before))
    return averages

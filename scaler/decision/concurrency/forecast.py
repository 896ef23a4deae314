"""When the count that requests in flight ask for can change although their number stays as it is."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice, repeat
from operator import neg, truediv

from scaler.decision.concurrency import autoscaler, delay, windows
from scaler.model import ConcurrencyPolicy, ConcurrencyState

# So far ahead is looked; a longer window is looked at again by then.
_HORIZON_S = 120
# What sums of pieces of a second may differ by.
_EVEN = 1e-9
# Averages are rounded to millionths, halves up.
_MORE_THAN_ROUNDING, _LESS_THAN_ROUNDING = 6e-7, 4e-7


@dataclass(frozen=True, slots=True)
class Steady:
    """What stays as it is.

    Attributes:
        ready: Replicas that serve.
        levels: Requests in flight: one of these numbers.
        held: How many of them wait for a replica because none serves.
    """

    ready: int
    levels: Collection[float]
    held: float


@dataclass(frozen=True, slots=True)
class _Past:
    """What is known of a window that ends with the present second, a place for each of its seconds."""

    requests: Sequence[float]
    known: Sequence[float]

    @classmethod
    def of(cls, memory: ConcurrencyState, length: int, second: int) -> _Past:
        first = second - length + 1
        requests, known = [0.0] * length, [0.0] * length
        for number, request_seconds, known_s in reversed(memory.seconds):
            if number < first:
                break
            if number <= second:
                requests[number - first], known[number - first] = request_seconds, known_s
        return cls(requests, known)


def changes_at(
    rules: ConcurrencyPolicy,
    target: float,
    memory: ConcurrencyState,
    steady: Steady,
    now: float,
) -> float | None:
    """Return a moment before which the count stays, to the second; None when no clock leads to another one."""
    second = math.floor(now)
    pasts = [
        _Past.of(memory, windows.length_of(window_s), second)
        for window_s in (rules.stable_window_s, rules.panic_window_s)
    ]
    earliest = math.inf
    for level in steady.levels:
        moment = _changes_at(rules, target, memory, pasts, steady, level=level, now=now, before=earliest)
        earliest = earliest if moment is None else min(earliest, moment)
    return None if earliest == math.inf else earliest


def _changes_at(
    rules: ConcurrencyPolicy,
    target: float,
    memory: ConcurrencyState,
    pasts: Sequence[_Past],
    steady: Steady,
    *,
    level: float,
    now: float,
    before: float,
) -> float | None:
    """Return the same for one level; what comes at or after `before` need not be found."""
    even = _is_even(memory, level)
    moments = []
    if memory.panic_since is not None:
        moments.append(memory.panic_since + rules.stable_window_s)
    if len(memory.delay) > 1 or (memory.delay and not even):
        moments.append(memory.delay[0].at + delay.length_s(rules.scale_down_delay_s))
    if rules.weighted and not (even and level == 0):
        moments.append(now)  # its shares do not add up to one, so that it moves even then
    elif not even:
        limit = min((before, *moments))
        moved = _averages_move_it_at(rules, target, memory, pasts, steady, level=level, now=now, before=limit)
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
    rules: ConcurrencyPolicy,
    target: float,
    memory: ConcurrencyState,
    pasts: Sequence[_Past],
    steady: Steady,
    *,
    level: float,
    now: float,
    before: float,
) -> float | None:
    held = steady.held
    longest = max(len(past.known) for past in pasts)
    ahead_s = min(longest, _HORIZON_S)
    looked_s = int(min(ahead_s, max(before - math.floor(now), 0)))
    ahead = [islice(_averages(past, memory.in_flight, ahead_s, level, now), 2 * looked_s + 2) for past in pasts]
    present: int | None = None
    # Between these no average asks for more or fewer than the one before it, so that nothing else need be worked out.
    low = high = low_panic = high_panic = 0.0
    for index, (stable, panic) in enumerate(zip(*ahead, strict=True)):
        if low < stable < high and low_panic < panic < high_panic:
            continue
        for_stable, for_panic = max(held, windows.rounded(stable)), max(held, windows.rounded(panic))
        wants, _ = autoscaler.scale(
            rules, target, memory, stable=for_stable, panic=for_panic, ready=steady.ready, now=now
        )
        if present is None:
            present = wants
        elif wants != present:
            return float(math.floor(now) + index // 2)
        low, high = _same_count(for_stable, held, target)
        low_panic, high_panic = _same_count(for_panic, held, target)
    return float(math.floor(now) + ahead_s) if longest > ahead_s else None


def _same_count(average: float, held: float, target: float) -> tuple[float, float]:
    """Return between what averages, not yet rounded to millionths, the same count is needed."""
    needed = math.ceil(average / target)
    low = (needed - 1) * target + _MORE_THAN_ROUNDING
    return (-math.inf if low <= held else low), needed * target + _LESS_THAN_ROUNDING


def _averages(past: _Past, in_flight: float, ahead_s: int, level: float, now: float) -> Iterator[float]:
    """Yield the averages at the beginning of each second from now on, the first being now, and at its end.

    Within a second an average goes one way only, so that these tell. One after the other: the first that asks for
    another count ends the search, which most often is soon.
    """
    requests, known, length = list(past.requests), list(past.known), len(past.known)
    known_now_s = sum(known)
    present = sum(requests) / known_now_s if known_now_s else in_flight
    rest_s = math.floor(now) + 1 - now
    requests[-1] += level * rest_s
    known[-1] += rest_s
    if length == 1:  # between two seconds nothing is known
        moving = iter((requests[0] / known[0], in_flight, level))
    else:
        moving = map(truediv, _sums(requests, level), _sums(known, 1.0))
    # Once all seconds are of the level nothing moves any more.
    return chain((present,), islice(moving, 2 * min(ahead_s, length) + 1), repeat(level, 2 * (ahead_s - length)))


def _sums(past: Sequence[float], level: float) -> Iterator[float]:
    """Yield the sum of a window, then those after each of its seconds has left it and after one of the level came."""
    changes = chain.from_iterable(zip(map(neg, past), repeat(level), strict=False))
    return accumulate(changes, initial=sum(past))

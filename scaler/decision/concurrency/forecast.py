"""When the count that requests in flight ask for can change although their number stays as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from scaler.decision.concurrency import autoscaler, delay, windows
from scaler.model import ConcurrencyPolicy, ConcurrencyState, FlightSecond

# So far ahead is looked; a longer window is looked at again by then.
_HORIZON_S = 120


@dataclass(frozen=True, slots=True)
class Course:
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
    rules: ConcurrencyPolicy, target: float, memory: ConcurrencyState, course: Course, now: float
) -> float | None:
    """Return a moment before which the count stays, to the second; None when no clock leads to another one."""
    moments = []
    if memory.panic_since is not None:
        moments.append(memory.panic_since + rules.stable_window_s)
    if len(memory.delay) > 1:
        moments.append(memory.delay[0].at + delay.length_s(rules.scale_down_delay_s))
    moved = _averages_move_it_at(rules, target, memory, course, now)
    if moved is not None:
        moments.append(moved)
    return max(now, min(moments)) if moments else None


def _averages_move_it_at(
    rules: ConcurrencyPolicy, target: float, memory: ConcurrencyState, course: Course, now: float
) -> float | None:
    level = course.level
    even = level == memory.in_flight and all(
        math.isclose(each.request_seconds, level * each.known_s) for each in memory.seconds
    )
    if rules.weighted:
        # Its shares do not add up to one, so that it moves even then.
        return None if even and not level else now
    if even:
        return None
    lengths = [windows.length_of(window_s) for window_s in (rules.stable_window_s, rules.panic_window_s)]
    ahead_s = min(max(lengths), _HORIZON_S)
    stable, panic = (_Window(memory.seconds, length, ahead_s, level, now) for length in lengths)
    second = math.floor(now)
    present: int | None = None
    told: tuple[int, int] | None = None
    for ahead in range(second, second + ahead_s + 1):
        # Within a second either average goes one way only, so that its ends tell.
        for whole in (False, True):
            found = [
                max(course.held, memory.in_flight if (value := window.average(ahead, whole=whole)) is None else value)
                for window in (stable, panic)
            ]
            needed = (math.ceil(found[0] / target), math.ceil(found[1] / target))
            if needed == told:
                continue
            told = needed
            wants, _ = autoscaler.scale(
                rules, target, memory, stable=found[0], panic=found[1], ready=course.ready, now=now
            )
            if present is None:
                present = wants
            elif wants != present:
                return float(ahead)
    return float(second + ahead_s) if max(lengths) > ahead_s else None


class _Window:
    """One window as it is from now on, by second."""

    def __init__(self, seconds: Sequence[FlightSecond], length: int, ahead_s: int, level: float, now: float) -> None:
        self.length = length
        self._now = math.floor(now)
        self._first = self._now - length + 1
        known = {each.second: each for each in seconds}
        nothing = FlightSecond(0, 0.0, 0.0)
        past = [known.get(second, nothing) for second in range(self._first, self._now + 1)]
        self._open = past.pop()
        rest_s = self._now + 1 - now
        requests = [each.request_seconds for each in past]
        requests += [self._open.request_seconds + level * rest_s, *[level] * ahead_s]
        known_s = [each.known_s for each in past]
        known_s += [self._open.known_s + rest_s, *[1.0] * ahead_s]
        self._requests = list(accumulate(requests, initial=0.0))
        self._known_s = list(accumulate(known_s, initial=0.0))

    def average(self, second: int, *, whole: bool) -> float | None:
        """Return the average when a second begins (the present one: now), or when it is over."""
        end = second - self._first + (1 if whole else 0)
        begin = max(0, second - self.length + 1 - self._first)
        requests = self._requests[end] - self._requests[begin]
        known_s = self._known_s[end] - self._known_s[begin]
        if second == self._now and not whole:
            requests += self._open.request_seconds
            known_s += self._open.known_s
        return windows.mean(requests, known_s)

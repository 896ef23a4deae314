"""What was in flight, second by second, and its averages over windows of whole seconds.

A second holds the requests in flight summed over the part of it that is known. An average divides by what is known, so
that the second that has just begun counts for as much as has passed of it, a burst for as long as it has lasted, and
time that nobody measured not at all. A window is the second that has begun and as many before it as make up its length.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from scaler.model import FlightSecond

# Knative rounds its averages to millionths, halves up.
_PARTS = 1_000_000
# Of the weighted average: the share that a whole window has, and the least that its last second has.
_WINDOW_SHARE = 0.9999
_LEAST_SHARE = 0.2


def length_of(window_s: float) -> int:
    """Return how many seconds of the clock a window has."""
    return max(1, math.ceil(window_s))


def add(
    seconds: Sequence[FlightSecond], second: int, request_seconds: float, known_s: float, length: int
) -> tuple[FlightSecond, ...]:
    """Return the window with more known of one second; what is then older than its length is dropped."""
    newest = max(seconds[-1].second, second) if seconds else second
    if second <= newest - length:
        return tuple(seconds)
    kept = [each for each in seconds if each.second > newest - length]
    _add(kept, second, request_seconds, known_s)
    return tuple(kept)


def cover(
    seconds: Sequence[FlightSecond], since: float, until: float, level: float, length: int
) -> tuple[FlightSecond, ...]:
    """Return the window with so many requests in flight from one moment to another, which is its end."""
    newest = math.floor(until)
    outdated = 0
    for each in seconds:
        if each.second > newest - length:
            break
        outdated += 1
    kept = list(seconds[outdated:])
    since = max(since, float(newest - length + 1))
    while since < until:
        second = math.floor(since)
        end = min(until, second + 1.0)
        _add(kept, second, level * (end - since), end - since)
        since = end
    return tuple(kept)


def average(seconds: Sequence[FlightSecond], second: int, length: int, *, weighted: bool = False) -> float | None:
    """Return the average over the window that ends with this second; None where nothing of it is known.

    Linear, all that is known counts the same. Weighted, the share of each second falls exponentially with the time
    known after it; as in Knative the shares of a window that is not full do not add up to one.
    """
    if weighted:
        return _weighted(seconds, second, length)
    total = total_known_s = 0.0
    for number, request_seconds, known_s in reversed(seconds):
        if number <= second - length:
            break
        total += request_seconds
        total_known_s += known_s
    return mean(total, total_known_s)


def mean(request_seconds: float, known_s: float) -> float | None:
    """Return the average number in flight, rounded as Knative does; None where no time is known."""
    return rounded(request_seconds / known_s) if known_s else None


def rounded(average: float) -> float:
    """Return an average as it counts."""
    return math.floor(average * _PARTS + 0.5) / _PARTS


def last_share(length: int) -> float:
    """Return the share of the last second in a weighted average over so many seconds."""
    rest: float = (1 - _WINDOW_SHARE) ** (1 / length)
    return max(1 - rest, _LEAST_SHARE)


def _weighted(seconds: Sequence[FlightSecond], second: int, length: int) -> float | None:
    left_by_one = 1 - last_share(length)
    total, left = 0.0, 1.0
    for number, request_seconds, known_s in reversed(seconds):
        if number <= second - length:
            break
        if known_s:
            left_by_this = left_by_one**known_s
            total += left * (1 - left_by_this) * request_seconds / known_s
            left *= left_by_this
    return total if left < 1 else None


def _add(seconds: list[FlightSecond], second: int, request_seconds: float, known_s: float) -> None:
    at = len(seconds)
    if seconds and seconds[-1].second >= second:
        at = bisect_left(seconds, second, key=_number)
        there = seconds[at]
        if there.second == second:
            seconds[at] = FlightSecond(second, there.request_seconds + request_seconds, there.known_s + known_s)
            return
    seconds.insert(at, FlightSecond(second, request_seconds, known_s))


def _number(each: FlightSecond) -> int:
    return each.second

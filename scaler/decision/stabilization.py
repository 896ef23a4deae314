"""Stabilization windows: the HPA's `stabilizationWindowSeconds`, in both directions.

A recommendation counts while it is younger than the window. Only those that can still be the extreme of their window
are kept: a monotonic sequence, so that reading a source ten times a second does not make the window longer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from scaler.model import Recommendation


def stabilize(
    wanted: int,
    current: int,
    now: float,
    *,
    highest: Sequence[Recommendation],
    down_window_s: float,
    lowest: Sequence[Recommendation],
    up_window_s: float,
) -> int:
    """Return the current count moved as little as needed into what both windows allow.

    Up goes only to the lowest recommendation of its window, down only to the highest of its own, `wanted` included.
    """
    up = down = wanted
    for recommendation in lowest:
        if recommendation.at + up_window_s > now:
            up = min(up, recommendation.replicas)
            break
    for recommendation in highest:
        if recommendation.at + down_window_s > now:
            down = max(down, recommendation.replicas)
            break
    return min(max(current, up), down)


def with_highest(
    highest: tuple[Recommendation, ...], at: float, replicas: int, window_s: float
) -> tuple[Recommendation, ...]:
    """Return the scale-down window with one more recommendation."""
    if window_s <= 0:
        return ()
    first = _first_within(highest, at, window_s)
    end = len(highest)
    while end > first and highest[end - 1].replicas <= replicas:
        end -= 1
    return (*highest[first:end], Recommendation(at, replicas))


def with_lowest(
    lowest: tuple[Recommendation, ...], at: float, replicas: int, window_s: float
) -> tuple[Recommendation, ...]:
    """Return the scale-up window with one more recommendation."""
    if window_s <= 0:
        return ()
    first = _first_within(lowest, at, window_s)
    end = len(lowest)
    while end > first and lowest[end - 1].replicas >= replicas:
        end -= 1
    return (*lowest[first:end], Recommendation(at, replicas))


def clear_to_rise(lowest: Sequence[Recommendation], count: int, window_s: float, now: float) -> float:
    """Return when nothing in the scale-up window holds the count down any more; `now` or earlier if nothing does."""
    holding = bisect_right(lowest, count, key=_replicas)
    return lowest[holding - 1].at + window_s if holding else now


def clear_to_fall(highest: Sequence[Recommendation], count: int, window_s: float, now: float) -> float:
    """Return when nothing in the scale-down window holds the count up any more; `now` or earlier if nothing does."""
    holding = bisect_right(highest, -count, key=_negative_replicas)
    return highest[holding - 1].at + window_s if holding else now


def _replicas(recommendation: Recommendation) -> int:
    return recommendation.replicas


def _negative_replicas(recommendation: Recommendation) -> int:
    return -recommendation.replicas


def _first_within(window: Sequence[Recommendation], now: float, window_s: float) -> int:
    for index, recommendation in enumerate(window):
        if recommendation.at + window_s > now:
            return index
    return len(window)

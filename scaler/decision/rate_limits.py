"""Rate limits: the HPA's `policies` and `selectPolicy`, and the changes that they count.

Each policy starts from the count at the beginning of its period: the current one without the changes, in either
direction, that were decided since.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from scaler.model import Direction, PolicyType, RateLimit, ScaleEvent, ScalingPolicy, SelectPolicy


def highest_allowed(direction: Direction, current: int, events: Sequence[ScaleEvent], now: float) -> int | None:
    """Return how far up the scale-up policies go; None without a limit. It may be below the current count."""
    if direction.select_policy is SelectPolicy.DISABLED:
        return current
    if not direction.limits:
        return None
    choose = min if direction.select_policy is SelectPolicy.MIN else max
    return choose(_up(limit, current - _change_within(limit.period_s, events, now)) for limit in direction.limits)


def lowest_allowed(direction: Direction, current: int, events: Sequence[ScaleEvent], now: float) -> int | None:
    """Return how far down the scale-down policies go; None without a limit. It may be above the current count."""
    if direction.select_policy is SelectPolicy.DISABLED:
        return current
    if not direction.limits:
        return None
    choose = max if direction.select_policy is SelectPolicy.MIN else min
    return choose(_down(limit, current - _change_within(limit.period_s, events, now)) for limit in direction.limits)


def first_expiry(direction: Direction, events: Sequence[ScaleEvent], now: float) -> float | None:
    """Return when the first of the changes that these policies count leaves its period; None when there is none."""
    if direction.select_policy is SelectPolicy.DISABLED:
        return None
    expiries = [
        events[index].at + limit.period_s
        for limit in direction.limits
        if (index := _first_within(limit.period_s, events, now)) < len(events)
    ]
    return min(expiries, default=None)


def with_change(
    policy: ScalingPolicy, events: tuple[ScaleEvent, ...], at: float, change: int
) -> tuple[ScaleEvent, ...]:
    """Return the changes with one more, without those that no policy of either direction counts any more.

    The HPA keeps each direction's changes only as long as that direction's own periods, and so forgets some that the
    other direction still counts; here none is forgotten.
    """
    if not change and not events:
        return events
    period_s = max((limit.period_s for limit in (*policy.scale_up.limits, *policy.scale_down.limits)), default=0)
    if not period_s:
        return ()
    if not change:
        # Dropping old ones from the front copies the rest: worth it only once in a while.
        expired = _first_within(period_s, events, at)
        return events[expired:] if expired * 2 > len(events) else events
    total = events[-1].total if events else 0
    counted = events[_first_within(period_s, events, at) :]
    return counted + (ScaleEvent(at, change, total + change),)  # noqa: RUF005 - one copy, where unpacking makes two


def _up(limit: RateLimit, period_start: int) -> int:
    if limit.type is PolicyType.PODS:
        return period_start + limit.value
    return math.ceil(period_start * (1 + limit.value / 100))


def _down(limit: RateLimit, period_start: int) -> int:
    if limit.type is PolicyType.PODS:
        return period_start - limit.value
    return int(period_start * (1 - limit.value / 100))


def _change_within(period_s: float, events: Sequence[ScaleEvent], now: float) -> int:
    """Return what was added, less what was removed, in the period that ends now."""
    first = _first_within(period_s, events, now)
    if first == len(events):
        return 0
    return events[-1].total - events[first].total + events[first].change


def _first_within(period_s: float, events: Sequence[ScaleEvent], now: float) -> int:
    return bisect_right(events, now, key=lambda event: event.at + period_s) if events else 0

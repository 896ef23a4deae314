"""When the count can change next by the mere passing of time."""

from __future__ import annotations

from scaler.decision import activation, rate_limits
from scaler.decision.demand import Demand, fallback_may_come
from scaler.decision.stabilization import clear_to_fall, clear_to_rise
from scaler.model import DecisionState, ScalingPolicy


def next_change_at(policy: ScalingPolicy, state: DecisionState, demand: Demand, count: int, now: float) -> float | None:
    """Return the earliest moment at which a workload settled at `count` can change; None when no clock leads there.

    Args:
        policy: The manifest's rules.
        state: As it is after the decision.
        demand: What the triggers ask for once the replicas have settled at `count`.
        count: What was decided.
        now: When it was decided; the answer is never before.
    """
    running = _running_clock(policy, state, demand, count, now)
    if demand.changes_at is None:
        return running
    changes_at = max(demand.changes_at, now)
    return changes_at if running is None else min(changes_at, running)


def _running_clock(policy: ScalingPolicy, state: DecisionState, demand: Demand, count: int, now: float) -> float | None:
    """Return when the first cooldown, window or period ends that keeps the count where it is."""
    if fallback_may_come(policy, demand):
        return now
    moments: list[float] = []
    if not demand.active and activation.can_deactivate(policy, count):
        if not demand.undecided and not policy.pause.scale_in:
            allowed_after = activation.deactivation_after(policy, state)
            clear = _rate_clear_to_fall(policy, state, count, now) if policy.scale_down.explicit else now
            if clear is not None:
                moments.append(max(allowed_after, clear, now))
            if allowed_after < now:
                return moments[0] if moments else None
    elif activation.dormant(policy, count):
        return now if demand.active and not policy.pause.scale_out else None
    if not policy.min_replicas <= count <= policy.max_replicas:
        return now
    wants = demand.wants
    if wants is not None:
        moments += _rise(policy, state, wants, count, now)
        if not demand.unknown:
            moments += _fall(policy, state, wants, count, now)
    return min(moments, default=None)


def _rise(policy: ScalingPolicy, state: DecisionState, wants: int, count: int, now: float) -> list[float]:
    if wants <= count or count >= policy.max_replicas or policy.pause.scale_out:
        return []
    allowed = rate_limits.highest_allowed(policy.scale_up, count, state.events, now)
    clear: float | None = now
    if allowed is not None and allowed <= count:
        clear = rate_limits.first_expiry(policy.scale_up, state.events, now)
    if clear is None:
        return []
    return [max(clear, clear_to_rise(state.lowest, count, policy.scale_up.stabilization_window_s, now), now)]


def _fall(policy: ScalingPolicy, state: DecisionState, wants: int, count: int, now: float) -> list[float]:
    if wants >= count or count <= activation.floor(policy) or policy.pause.scale_in:
        return []
    clear = _rate_clear_to_fall(policy, state, count, now)
    if clear is None:
        return []
    return [max(clear, clear_to_fall(state.highest, count, policy.scale_down.stabilization_window_s, now), now)]


def _rate_clear_to_fall(policy: ScalingPolicy, state: DecisionState, count: int, now: float) -> float | None:
    """Return when the scale-down policies can let the count fall: now, at the end of a period, or never."""
    allowed = rate_limits.lowest_allowed(policy.scale_down, count, state.events, now)
    if allowed is None or allowed < count:
        return now
    return rate_limits.first_expiry(policy.scale_down, state.events, now)

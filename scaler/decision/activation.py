"""Between nothing and something: KEDA's activation, cooldown and idle count."""

from __future__ import annotations

from scaler.model import DecisionState, Rule, ScalingPolicy


def floor(policy: ScalingPolicy) -> int:
    """Return the fewest replicas of a workload that is not at rest: KEDA gives the HPA `max(min, 1)`."""
    return max(policy.min_replicas, 1)


def rest(policy: ScalingPolicy) -> int:
    """Return the count of a workload that has been inactive for its cooldown: idle if set, else the minimum."""
    return policy.min_replicas if policy.idle_replicas is None else policy.idle_replicas


def dormant(policy: ScalingPolicy, count: int) -> bool:
    """Tell whether becoming active is an activation: from zero, or from below the minimum in idle mode."""
    return count == 0 or (policy.idle_replicas is not None and count < policy.min_replicas)


def can_deactivate(policy: ScalingPolicy, count: int) -> bool:
    """Tell whether inactivity takes this count away: with an idle count or with a minimum of zero."""
    if policy.idle_replicas is not None:
        return count > policy.idle_replicas
    return count > 0 and policy.min_replicas == 0


def cooldown_end(policy: ScalingPolicy, last_active_at: float | None, created_at: float) -> tuple[float, Rule]:
    """Return the last moment of the cooldown, and which of the two it is."""
    if last_active_at is None:
        return created_at + policy.initial_cooldown_s, Rule.INITIAL_COOLDOWN
    return last_active_at + policy.cooldown_s, Rule.COOLDOWN


def deactivation_after(policy: ScalingPolicy, state: DecisionState) -> float:
    """Return the moment after which an inactive workload may go to rest.

    A scale-down that the manifest spells out holds for this step too: then the workload must have been inactive for
    its whole window, as if every inactive moment had recommended the count at rest.
    """
    end, _ = cooldown_end(policy, state.last_active_at, state.created_at)
    if not policy.scale_down.explicit:
        return end
    quiet_since = state.created_at if state.last_active_at is None else state.last_active_at
    if state.windows_since is not None:
        quiet_since = max(quiet_since, state.windows_since)
    return max(end, quiet_since + policy.scale_down.stabilization_window_s)

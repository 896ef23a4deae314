"""What stands in for a trigger that keeps failing: KEDA's `fallback`."""

from __future__ import annotations

from collections.abc import Mapping

from scaler.model import (
    DecisionState,
    Fallback,
    FallbackBehavior,
    MetricType,
    Reading,
    ReplicaCounts,
    ScalingPolicy,
    TriggerKind,
    TriggerPolicy,
)


def failures_after(
    policy: ScalingPolicy, state: DecisionState, readings: Mapping[str, Reading], now: float
) -> Mapping[str, int]:
    """Return the failed readings in a row by trigger, this tick's included.

    A trigger that was not read keeps its count. A second decision at the same moment counts nothing twice.
    """
    before = state.failures
    if now == state.decided_at:
        return before
    after: dict[str, int] = {}
    for trigger in policy.triggers:
        name = trigger.name
        reading = readings.get(name)
        if reading is None:
            if name in before:
                after[name] = before[name]
        elif reading.error is not None or (reading.value is None and reading.samples is None):
            after[name] = before.get(name, 0) + 1
    return after


def applies_to(trigger: TriggerPolicy, fallback: Fallback | None) -> bool:
    """Tell whether a fallback can stand in for this trigger: never for a replica's own resource use."""
    return fallback is not None and trigger.kind is not TriggerKind.RESOURCE


def fallback_milli(fallback: Fallback, trigger: TriggerPolicy, target: int, replicas: ReplicaCounts) -> int | None:
    """Return the value, in thousandths, that makes the trigger want the fallback's count; None when there is none.

    `target` is thousandths too. Value divides by the ready replicas, so that it has no fallback while none is ready.
    What is finer than a thousandth is cut off.
    """
    value = target / 1000 * _count(fallback, replicas.spec)
    if trigger.metric_type is not MetricType.AVERAGE_VALUE:
        if not replicas.ready:
            return None
        value /= replicas.ready
    return int(value * 1000)


def _count(fallback: Fallback, current: int) -> int:
    match fallback.behavior:
        case FallbackBehavior.STATIC:
            return fallback.replicas
        case FallbackBehavior.CURRENT:
            return current
        case FallbackBehavior.CURRENT_IF_HIGHER:
            return max(current, fallback.replicas)
        case FallbackBehavior.CURRENT_IF_LOWER:
            return min(current, fallback.replicas)

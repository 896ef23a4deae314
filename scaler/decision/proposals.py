"""From a trigger's value to the count it wants: KEDA's metric quantities and the HPA's replica calculator."""

from __future__ import annotations

import math

from scaler.model import MetricType, ReplicaCounts, ScalingPolicy, TriggerKind, TriggerPolicy

_INT32_MAX = 2**31 - 1
_INT64_MAX = 2**63 - 1


def milli(value: float) -> int:
    """Return a reading as KEDA hands it to the HPA: thousandths, rounded as `%.3f` does.

    NaN, infinities and negative values are 0; what an int64 cannot hold is cut to its largest.
    """
    if not 0 < value < math.inf:
        return 0
    return min(round(round(value, 3) * 1000), _INT64_MAX)


def target_milli(target: float) -> int:
    """Return a target in thousandths; what is finer is cut off, as KEDA does, and what an int64 cannot hold."""
    return int(min(target * 1000, _INT64_MAX)) if 0 < target < math.inf else 0


def propose(
    trigger: TriggerPolicy, value: int, target: int, replicas: ReplicaCounts, policy: ScalingPolicy
) -> tuple[int, bool]:
    """Return the count that a trigger wants, and whether its tolerance hid a deviation from the target.

    AverageValue of an event source compares with the replicas that exist (`status`) and divides the whole. Value, and
    an average of the replicas' own use, multiply the ready replicas by the ratio. `value` and `target` are thousandths.
    An `exact` trigger has no tolerance.
    """
    whole, part = float(value), float(target)
    if trigger.metric_type is MetricType.AVERAGE_VALUE and trigger.kind is TriggerKind.EXTERNAL:
        existing = replicas.status
        if existing and not trigger.exact:
            ratio = whole / (part * existing)
            if within_tolerance(ratio, policy):
                return existing, ratio != 1.0
        return min(math.ceil(whole / part), _INT32_MAX), False
    ratio = whole / part
    if replicas.spec == 0:
        return min(math.ceil(ratio), _INT32_MAX), False
    if ratio == 1.0 or (not trigger.exact and within_tolerance(ratio, policy)):
        return replicas.spec, ratio != 1.0
    return min(math.ceil(ratio * replicas.ready), _INT32_MAX), False


def within_tolerance(ratio: float, policy: ScalingPolicy) -> bool:
    """Tell whether a ratio of value to target is near enough to 1, both ends included."""
    return 1.0 - policy.scale_down.tolerance <= ratio <= 1.0 + policy.scale_up.tolerance

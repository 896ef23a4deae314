"""From what each replica uses to the count that is wanted: the HPA's handling of cpu and memory.

A replica counts as one of four kinds. Ignored: it is stopping. Unready: it has not run yet, or its use of the cpu is
still that of its start. Missing: it could not be measured. Ready: all others. The average is that of the ready ones;
then what is not known is taken as what speaks against the direction it points in, and the average is taken anew.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from scaler.decision.proposals import milli, within_tolerance
from scaler.model import MetricType, ReplicaSample, ReplicaState, ScalingPolicy, TriggerPolicy

# The HPA controller's flags --horizontal-pod-autoscaler-cpu-initialization-period and -initial-readiness-delay.
CPU_INITIALIZATION_S = 300.0
INITIAL_READINESS_DELAY_S = 30.0


@dataclass(frozen=True, slots=True)
class Average:
    """What replicas use on average, and what count that asks for.

    Attributes:
        value: In thousandths: percent of the limit, or cores or bytes.
        wants: The proposal.
        tolerated: The deviation from the target was small enough to ignore.
    """

    value: int
    wants: int
    tolerated: bool = False


class NotMeasured(Exception):
    """There is no average; the text says why."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """One replica's use and limit in thousandths."""

    usage: int
    limit: int


class _Groups:
    """The samples by what they count as."""

    def __init__(self, trigger: TriggerPolicy, samples: Iterable[ReplicaSample]) -> None:
        self.ready: list[_Measured] = []
        self.unready: list[_Measured] = []
        self.missing: list[_Measured] = []
        for sample in samples:
            if sample.state is ReplicaState.STOPPING:
                continue
            unlimited = sample.usage is not None and not milli(sample.limit or 0)
            if unlimited and trigger.metric_type is MetricType.UTILIZATION:
                raise NotMeasured(f"{sample.replica} has no {trigger.type} limit that its use could be a share of")
            measured = _Measured(milli(sample.usage or 0), milli(sample.limit or 0))
            if sample.running_s is None:
                self.unready.append(measured)
            elif sample.usage is None:
                self.missing.append(measured)
            elif trigger.busy_start and _is_starting(sample, sample.running_s):
                self.unready.append(measured)
            else:
                self.ready.append(measured)


def average(
    trigger: TriggerPolicy, target: int, samples: Sequence[ReplicaSample], current: int, policy: ScalingPolicy
) -> Average:
    """Return what the replicas use on average, and the count that brings it to the target (in thousandths).

    Raises:
        NotMeasured: No replica could be measured, or a limit is missing.
    """
    if current == 0:
        return Average(0, 0)
    groups = _Groups(trigger, samples)
    if not groups.ready:
        raise NotMeasured(_why_none(groups))
    value = _mean(trigger, groups.ready)
    ratio = value / target
    unready = groups.unready if ratio > 1 else []
    if not unready and not groups.missing:
        if within_tolerance(ratio, policy):
            return Average(value, current, tolerated=ratio != 1)
        return Average(value, math.ceil(ratio * len(groups.ready)))
    counted = [*groups.ready]
    if ratio < 1:
        counted += [_at_target(trigger, target, each) for each in groups.missing]
    elif ratio > 1:
        counted += [_Measured(0, each.limit) for each in (*groups.missing, *unready)]
    cautious = _mean(trigger, counted) / target
    wants = math.ceil(cautious * len(counted))
    if within_tolerance(cautious, policy):
        return Average(value, current, tolerated=cautious != 1)
    if (ratio < 1 and (cautious > 1 or wants > current)) or (ratio > 1 and (cautious < 1 or wants < current)):
        return Average(value, current)
    return Average(value, wants)


def _is_starting(sample: ReplicaSample, running_s: float) -> bool:
    ready = sample.state is ReplicaState.READY
    if running_s < CPU_INITIALIZATION_S:
        # What was measured must lie wholly in the time since it became ready.
        return not ready or sample.measured_s > sample.settled_s - sample.window_s
    return not ready and sample.settled_s > running_s - INITIAL_READINESS_DELAY_S


def _at_target(trigger: TriggerPolicy, target: int, missing: _Measured) -> _Measured:
    """Return what a replica that cannot be measured counts as when the others use little: all that it may."""
    if trigger.metric_type is MetricType.UTILIZATION:
        return _Measured(missing.limit * max(100, target // 1000) // 100, missing.limit)
    return _Measured(target, missing.limit)


def _mean(trigger: TriggerPolicy, counted: Collection[_Measured]) -> int:
    """Return the average, cut to whole percent or thousandths of a core or byte as the HPA does."""
    used = sum(each.usage for each in counted)
    if trigger.metric_type is MetricType.UTILIZATION:
        return used * 100 // sum(each.limit for each in counted) * 1000
    return used // len(counted)


def _why_none(groups: _Groups) -> str:
    if groups.unready:
        return "the replicas are still starting"
    return "no replica could be measured yet" if groups.missing else "there is no replica to measure"

"""What all triggers together ask for: activity, the highest proposal, and whether any of them is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scaler.decision.concurrency import Proposal
from scaler.decision.fallback import applies_to, fallback_milli
from scaler.decision.proposals import milli, propose, target_milli
from scaler.decision.usage import NotMeasured, average
from scaler.model import (
    Fallback,
    Reading,
    ReplicaCounts,
    ReplicaSample,
    ScalingPolicy,
    TriggerKind,
    TriggerOutcome,
    TriggerPolicy,
)

_UNREAD = Reading(error="not read yet")


@dataclass(frozen=True, slots=True)
class Demand:
    """The triggers' answer at one moment.

    Attributes:
        outcomes: One per trigger, in the policy's order.
        active: Whether the workload as a whole is active.
        unknown: Some trigger has no value and no fallback stands in for it.
        undecided: Because of that it cannot be told whether there is work.
        wants: The highest proposal; None when no trigger has one.
        changes_at: When the first of the readings, or of the averages taken of them, changes by the mere passing of
            time; None when none says so.
    """

    outcomes: tuple[TriggerOutcome, ...]
    active: bool
    unknown: bool
    undecided: bool
    wants: int | None
    changes_at: float | None = None


def assess(
    policy: ScalingPolicy,
    readings: Mapping[str, Reading],
    replicas: ReplicaCounts,
    failures: Mapping[str, int],
    in_flight: Mapping[str, Proposal],
) -> Demand:
    """Return what the triggers ask for with these replicas.

    Args:
        policy: The manifest's rules.
        readings: One per trigger, by name.
        replicas: What exists.
        failures: Failed readings in a row, by trigger.
        in_flight: What the triggers on requests in flight ask for, by name.
    """
    # KEDA: a workload that only its own resource use scales is never inactive, because at zero it uses nothing.
    only_resources = all(trigger.kind is TriggerKind.RESOURCE for trigger in policy.triggers)
    outcomes = []
    active = policy.pause.force_activation
    unknown = undecided = False
    wants: int | None = None
    changes_at: float | None = None
    for trigger in policy.triggers:
        reading = readings.get(trigger.name, _UNREAD)
        followed = in_flight.get(trigger.name)
        if followed is None:
            outcome = _assess_one(trigger, policy, reading, replicas, failures, only_resources=only_resources)
        else:
            outcome = _assess_in_flight(trigger, followed)
        outcomes.append(outcome)
        active = active or outcome.active
        for moment in (reading.changes_at, followed.changes_at if followed else None):
            if moment is not None and (changes_at is None or moment < changes_at):
                changes_at = moment
        proposal = outcome.wants
        if proposal is None:
            unknown = True
            # What replicas use never says that there is work: where it was read, but they cannot be measured (as while
            # they keep crashing), it need not keep the workload from zero.
            unmeasured = trigger.kind is TriggerKind.RESOURCE and reading.samples is not None
            undecided = undecided or only_resources or not unmeasured
        elif wants is None or proposal > wants:
            wants = proposal
    if only_resources and unknown:
        active = policy.pause.force_activation
    return Demand(tuple(outcomes), active, unknown, undecided, wants, changes_at)


def _assess_one(
    trigger: TriggerPolicy,
    policy: ScalingPolicy,
    reading: Reading,
    replicas: ReplicaCounts,
    failures: Mapping[str, int],
    *,
    only_resources: bool,
) -> TriggerOutcome:
    target = target_milli(trigger.target)
    error = reading.error
    if error is None and target and trigger.kind is TriggerKind.RESOURCE and reading.samples is not None:
        return _assess_usage(trigger, target, policy, reading.samples, replicas, only_resources=only_resources)
    value: int | None = None
    active = False
    fallback = False
    if error is None:
        active = _is_active(trigger, reading, only_resources=only_resources)
        if target == 0:
            error = "its target is below 0.001"
        elif reading.value is None:
            error = "it reported no value"
        else:
            value = milli(reading.value)
    if value is None and target and (stand_in := _fallback_in_effect(trigger, policy, failures)):
        value = fallback_milli(stand_in, trigger, target, replicas)
        fallback = active = value is not None
    if value is None:
        return TriggerOutcome(
            trigger.name, trigger.type, trigger.target, trigger.metric_type, None, active, None, error or "unknown"
        )
    wants, tolerated = propose(trigger, value, target, replicas, policy)
    return TriggerOutcome(
        trigger.name,
        trigger.type,
        trigger.target,
        trigger.metric_type,
        value / 1000,
        active,
        wants,
        error,
        fallback,
        tolerated,
    )


def _assess_in_flight(trigger: TriggerPolicy, followed: Proposal) -> TriggerOutcome:
    return TriggerOutcome(
        trigger.name,
        trigger.type,
        trigger.target,
        trigger.metric_type,
        followed.value,
        followed.active,
        followed.wants,
        windows=followed.windows,
    )


def _assess_usage(
    trigger: TriggerPolicy,
    target: int,
    policy: ScalingPolicy,
    samples: Sequence[ReplicaSample],
    replicas: ReplicaCounts,
    *,
    only_resources: bool,
) -> TriggerOutcome:
    value, wants, error, tolerated = None, None, None, False
    try:
        found = average(trigger, target, samples, replicas.spec, policy)
    except NotMeasured as why:
        error = str(why)
    else:
        value, wants, tolerated = found.value / 1000, found.wants, found.tolerated
    return TriggerOutcome(
        trigger.name,
        trigger.type,
        trigger.target,
        trigger.metric_type,
        value,
        only_resources and error is None,
        wants,
        error,
        within_tolerance=tolerated,
    )


def _is_active(trigger: TriggerPolicy, reading: Reading, *, only_resources: bool) -> bool:
    if trigger.kind is TriggerKind.RESOURCE:
        return only_resources
    if reading.active is not None:
        return reading.active
    return reading.value is not None and reading.value > trigger.activation


def _fallback_in_effect(trigger: TriggerPolicy, policy: ScalingPolicy, failures: Mapping[str, int]) -> Fallback | None:
    """KEDA: used once there were more failures in a row than the threshold."""
    fallback = policy.fallback if applies_to(trigger, policy.fallback) else None
    if fallback is not None and failures.get(trigger.name, 0) > fallback.failure_threshold:
        return fallback
    return None


def fallback_may_come(policy: ScalingPolicy, demand: Demand) -> bool:
    """Tell whether a failing trigger has a fallback that further failures can bring into effect."""
    return policy.fallback is not None and any(
        outcome.error is not None and not outcome.fallback and applies_to(trigger, policy.fallback)
        for trigger, outcome in zip(policy.triggers, demand.outcomes, strict=True)
    )

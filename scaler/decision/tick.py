"""One tick: readings, memory and counts in, a decision and the new memory out."""

from __future__ import annotations

from collections.abc import Mapping

from scaler.decision import activation, concurrency, memory, steps
from scaler.decision.course import Course
from scaler.decision.demand import Demand, assess
from scaler.decision.fallback import failures_after
from scaler.decision.outlook import next_change_at
from scaler.model import Decision, DecisionState, Reading, Reason, ReplicaCounts, Rule, ScalingPolicy


def decide(
    policy: ScalingPolicy,
    state: DecisionState,
    readings: Mapping[str, Reading],
    replicas: ReplicaCounts,
    now: float,
) -> tuple[Decision, DecisionState]:
    """Return the desired count with every reason for it, and the memory for the next tick.

    Args:
        policy: The manifest's rules.
        state: The memory that the last tick returned, or `initial_state`.
        readings: One per trigger, by name. A missing one is unknown.
        replicas: What was last asked for, what exists and what is ready.
        now: Seconds of the one clock that all times of the memory come from. Should it be before the last decision,
            the memory is shifted to it.
    """
    if state.decided_at is not None and now < state.decided_at:
        state = memory.rewound(state, now)
    failures = failures_after(policy, state, readings, now)
    followed = concurrency.follow(policy, state, readings, replicas, now)
    demand = assess(policy, readings, replicas, failures, followed.proposals)
    current = replicas.spec
    held = _held(policy, demand, current)
    if held is not None:
        course, reason = held
        state = memory.without_windows(state, failures, now)
        return _decision(course, reason, demand, current=current, now=now, upcoming=None), state
    state = memory.with_windows(state, current, now)
    step = steps.take(steps.Tick(policy, state, demand, current, now))
    count = step.course.count
    refused = policy.pause.scale_out and activation.dormant(policy, current)
    state = memory.after(
        policy,
        state,
        now=now,
        last_active_at=now if demand.active and not refused else state.last_active_at,
        recommendation=step.recommendation,
        change=count - current,
        failures=failures,
        concurrency=followed.memory,
    )
    settled = demand
    if followed.proposals or not count == current == replicas.status == replicas.ready:
        in_flight = concurrency.settled(policy, followed, readings, count, now)
        settled = assess(policy, readings, ReplicaCounts.settled(count), failures, in_flight)
    upcoming = next_change_at(policy, state, settled, count, now)
    return _decision(step.course, step.reason, demand, current=current, now=now, upcoming=upcoming), state


def _held(policy: ScalingPolicy, demand: Demand, current: int) -> tuple[Course, Reason] | None:
    """Return the count of a workload that nothing scales, because it is paused or has no triggers."""
    course = Course(current if demand.wants is None else demand.wants)
    if policy.pause.replicas is not None:
        course.move(Rule.PAUSED_REPLICAS, policy.pause.replicas)
        return course, Reason.PAUSED
    if policy.pause.paused:
        course.move(Rule.PAUSED, current)
        return course, Reason.PAUSED
    if not policy.triggers:
        least = max(policy.min_replicas, 1) if demand.active else policy.min_replicas
        course.move(Rule.MIN_REPLICAS if policy.min_replicas else Rule.ACTIVATION, least)
        return course, Reason.NO_TRIGGERS
    return None


def _decision(
    course: Course, reason: Reason, demand: Demand, *, current: int, now: float, upcoming: float | None
) -> Decision:
    return Decision(now, current, course.count, demand.active, reason, demand.outcomes, tuple(course.limits), upcoming)

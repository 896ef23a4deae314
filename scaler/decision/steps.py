"""The kinds of step that a tick can take, each moving the count by its own rules."""

from __future__ import annotations

from dataclasses import dataclass

from scaler.decision import activation, rate_limits
from scaler.decision.course import Course
from scaler.decision.demand import Demand
from scaler.decision.stabilization import stabilize
from scaler.model import DecisionState, Reason, Rule, ScalingPolicy


@dataclass(frozen=True, slots=True)
class Tick:
    """What a step works from.

    Attributes:
        policy: The manifest's rules.
        state: What is remembered, the present count already recorded where windows begin.
        demand: What the triggers ask for.
        current: The count before the step (`spec`).
        now: The moment.
    """

    policy: ScalingPolicy
    state: DecisionState
    demand: Demand
    current: int
    now: float


@dataclass(frozen=True, slots=True)
class Step:
    """Where a step led: its course, the reason, and the recommendation that the windows are to remember."""

    course: Course
    reason: Reason
    recommendation: int | None


def take(tick: Tick) -> Step:
    """Return the step that this moment calls for."""
    policy, current = tick.policy, tick.current
    if tick.demand.active:
        return _activate(tick) if activation.dormant(policy, current) else _serve(tick)
    if activation.can_deactivate(policy, current):
        if _may_deactivate(tick):
            return _deactivate(tick)
        return _serve(tick)
    if current == 0 or policy.idle_replicas is not None or current < policy.min_replicas:
        return _stay_at_rest(tick)
    return _serve(tick)


def _may_deactivate(tick: Tick) -> bool:
    return (
        not tick.demand.undecided
        and not tick.policy.pause.scale_in
        and activation.deactivation_after(tick.policy, tick.state) < tick.now
    )


def _activate(tick: Tick) -> Step:
    """From zero or idle to the wanted count, under what limits there are, but never below one or the minimum."""
    policy, current = tick.policy, tick.current
    wants = tick.demand.wants
    course = Course(current if wants is None else wants)
    if policy.pause.scale_out:
        course.move(Rule.PAUSED_SCALE_OUT, current)
        return Step(course, Reason.PAUSED, wants)
    if wants is not None:
        approach(course, policy, tick.state, current, tick.now, bottom=0, bottom_rule=Rule.ACTIVATION)
    least = activation.floor(policy)
    if course.count < least:
        course.move(Rule.MIN_REPLICAS if policy.min_replicas else Rule.ACTIVATION, least)
    return Step(course, Reason.ACTIVATED, wants)


def _stay_at_rest(tick: Tick) -> Step:
    """Inactive, with nothing to take away: up to the count at rest if below it."""
    policy, wants = tick.policy, tick.demand.wants
    course = Course(tick.current if wants is None else wants)
    target = activation.rest(policy)
    course.move(_rest_rule(policy, target), target)
    if tick.demand.unknown:
        return Step(course, Reason.UNKNOWN, None)
    return Step(course, Reason.INACTIVE, wants)


def _deactivate(tick: Tick) -> Step:
    """Inactive for the whole cooldown: to zero or idle, at once unless the manifest spells scale-down out."""
    policy, wants = tick.policy, tick.demand.wants
    course = Course(tick.current if wants is None else wants)
    target = activation.rest(policy)
    course.move(_rest_rule(policy, target), target)
    if policy.scale_down.explicit:
        allowed = rate_limits.lowest_allowed(policy.scale_down, tick.current, tick.state.events, tick.now)
        if allowed is not None:
            course.move(Rule.POLICIES_DOWN, max(target, min(allowed, tick.current)))
        if course.count > policy.max_replicas:
            course.move(Rule.MAX_REPLICAS, policy.max_replicas)
    return Step(course, Reason.DEACTIVATED, wants)


def _rest_rule(policy: ScalingPolicy, target: int) -> Rule:
    if policy.idle_replicas is not None:
        return Rule.IDLE_REPLICAS
    return Rule.MIN_REPLICAS if target else Rule.ACTIVATION


def _serve(tick: Tick) -> Step:
    """What the HPA does between `max(min, 1)` and the maximum."""
    policy, current, demand = tick.policy, tick.current, tick.demand
    wants = demand.wants
    if current > policy.max_replicas:
        course = Course(current)
        course.move(Rule.MAX_REPLICAS, policy.max_replicas)
        return Step(course, Reason.TRIGGERS, None)
    if current < policy.min_replicas:
        course = Course(current)
        course.move(Rule.MIN_REPLICAS, policy.min_replicas)
        return Step(course, Reason.TRIGGERS, None)
    if wants is None or (demand.unknown and wants < current):
        course = Course(current if wants is None else wants)
        course.move(Rule.TRIGGER_UNKNOWN, current)
        return Step(course, Reason.UNKNOWN, None)
    course = Course(wants)
    least = activation.floor(policy)
    waiting = not demand.active and activation.can_deactivate(policy, current)
    bottom_rule = _bottom_rule(tick, waiting=waiting)
    approach(course, policy, tick.state, current, tick.now, bottom=least, bottom_rule=bottom_rule)
    return Step(course, _serving_reason(tick, course, waiting=waiting), wants)


def _bottom_rule(tick: Tick, *, waiting: bool) -> Rule:
    if tick.policy.min_replicas:
        return Rule.MIN_REPLICAS
    if not waiting:
        return Rule.ACTIVATION
    return activation.cooldown_end(tick.policy, tick.state.last_active_at, tick.state.created_at)[1]


def _serving_reason(tick: Tick, course: Course, *, waiting: bool) -> Reason:
    if course.limits and course.limits[-1].rule in {Rule.PAUSED_SCALE_IN, Rule.PAUSED_SCALE_OUT}:
        return Reason.PAUSED
    if waiting:
        return Reason.PAUSED if tick.policy.pause.scale_in else Reason.COOLDOWN
    if not tick.demand.active and course.count == tick.current == tick.policy.min_replicas:
        return Reason.INACTIVE
    return Reason.TRIGGERS


def approach(
    course: Course,
    policy: ScalingPolicy,
    state: DecisionState,
    current: int,
    now: float,
    *,
    bottom: int,
    bottom_rule: Rule,
) -> None:
    """Move the course as the HPA does: through both windows, then through the limit of the direction it goes.

    The maximum cuts only what goes up, and `bottom` only what goes down.
    """
    up, down, pause = policy.scale_up, policy.scale_down, policy.pause
    stable = stabilize(
        course.count,
        current,
        now,
        highest=state.highest,
        down_window_s=down.stabilization_window_s,
        lowest=state.lowest,
        up_window_s=up.stabilization_window_s,
    )
    course.move(Rule.STABILIZATION_UP if stable < course.count else Rule.STABILIZATION_DOWN, stable)
    if stable > current:
        if pause.scale_out:
            course.move(Rule.PAUSED_SCALE_OUT, current)
            return
        allowed = rate_limits.highest_allowed(up, current, state.events, now)
        if allowed is not None and max(allowed, current) < min(stable, policy.max_replicas):
            course.move(Rule.POLICIES_UP, max(allowed, current))
        elif stable > policy.max_replicas:
            course.move(Rule.MAX_REPLICAS, policy.max_replicas)
    elif stable < current:
        if pause.scale_in:
            course.move(Rule.PAUSED_SCALE_IN, current)
            return
        allowed = rate_limits.lowest_allowed(down, current, state.events, now)
        if allowed is not None and min(allowed, current) > max(stable, bottom):
            course.move(Rule.POLICIES_DOWN, min(allowed, current))
        elif stable < bottom:
            course.move(bottom_rule, bottom)

"""The HPA's stabilization and rate limits, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scaler.decision import rate_limits, stabilization
from scaler.decision.course import Course
from scaler.decision.steps import approach
from scaler.model import DecisionState, Direction, Recommendation, Rule, ScaleEvent, ScalingPolicy

NOW = 1_000_000.0


def policy_of(case: dict[str, Any], direction: Callable[..., Direction]) -> ScalingPolicy:
    behavior = case["effective_behavior"]
    return ScalingPolicy(
        min_replicas=case["min"],
        max_replicas=case["max"],
        scale_up=direction(behavior["scaleUp"]),
        scale_down=direction(behavior["scaleDown"]),
    )


def state_of(case: dict[str, Any], policy: ScalingPolicy) -> DecisionState:
    highest: tuple[Recommendation, ...] = ()
    lowest: tuple[Recommendation, ...] = ()
    for age_s, replicas in sorted(((r["age_s"], r["replicas"]) for r in case["recommendations"]), reverse=True):
        at = NOW - age_s
        highest = stabilization.with_highest(highest, at, replicas, policy.scale_down.stabilization_window_s)
        lowest = stabilization.with_lowest(lowest, at, replicas, policy.scale_up.stabilization_window_s)
    changes = [(e["age_s"], e["change"]) for e in case["events_up"]]
    changes += [(e["age_s"], -e["change"]) for e in case["events_down"]]
    events: tuple[ScaleEvent, ...] = ()
    for age_s, change in sorted(changes, reverse=True):
        events = rate_limits.with_change(policy, events, NOW - age_s, change)
    return DecisionState(NOW, highest=highest, lowest=lowest, events=events)


def test_stabilization_and_limits_are_those_of_the_hpa(recorded: Any, account: Any, direction: Any) -> None:
    cases = recorded("hpa-behavior")
    for case in cases:
        policy = policy_of(case, direction)
        state = state_of(case, policy)
        current = case["current"]
        limits = (
            rate_limits.highest_allowed(policy.scale_up, current, state.events, NOW),
            rate_limits.lowest_allowed(policy.scale_down, current, state.events, NOW),
        )
        assert limits == (case["scale_up_limit"], case["scale_down_limit"]), case["id"]
        stabilized = stabilization.stabilize(
            case["desired"],
            current,
            NOW,
            highest=state.highest,
            down_window_s=policy.scale_down.stabilization_window_s,
            lowest=state.lowest,
            up_window_s=policy.scale_up.stabilization_window_s,
        )
        assert stabilized == case["stabilized"], case["id"]
        course = Course(case["desired"])
        approach(course, policy, state, current, NOW, bottom=case["min"], bottom_rule=Rule.MIN_REPLICAS)
        assert course.count == case["expected"], case["id"]
        limited = any(
            limit.rule not in {Rule.STABILIZATION_DOWN, Rule.STABILIZATION_UP} and limit.before == stabilized
            for limit in course.limits
        )
        assert str(limited) == case["scaling_limited"]["status"], case["id"]
    account.close("hpa-behavior", len(cases), {})

"""Whole reconciles of the HPA, sixty in a row, with failing metrics and replicas that lag."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from scaler.decision import decide, initial_state, rate_limits
from scaler.model import (
    DecisionState,
    Direction,
    MetricType,
    Reading,
    ReplicaCounts,
    ScaleEvent,
    ScalingPolicy,
    TriggerPolicy,
)

# What autoscaling/v2 fills in for the side of a behavior, or the part of a side, that is not given.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "selectPolicy": "Max",
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
    },
}


class SlotStore:
    """The changes that the HPA still remembers: a new one takes the slot of the last outdated one of its direction."""

    def __init__(self, up_period_s: int, down_period_s: int) -> None:
        self._sides: dict[bool, tuple[int, list[tuple[float, int]]]] = {
            True: (up_period_s, []),
            False: (down_period_s, []),
        }

    def add(self, at: float, change: int) -> None:
        period_s, slots = self._sides[change > 0]
        outdated = [index for index, (stored_at, _) in enumerate(slots) if stored_at < at - period_s]
        if outdated:
            slots[outdated[-1]] = (at, change)
        else:
            slots.append((at, change))

    def events(self, policy: ScalingPolicy) -> tuple[ScaleEvent, ...]:
        events: tuple[ScaleEvent, ...] = ()
        for at, change in sorted(slot for _, slots in self._sides.values() for slot in slots):
            events = rate_limits.with_change(policy, events, at, change)
        return events


def policy_of(case: dict[str, Any], direction: Callable[..., Direction]) -> ScalingPolicy:
    sides = {
        side: direction({**DEFAULTS[side], **(case["behavior"].get(side) or {})}, tolerance=case["default_tolerance"])
        for side in DEFAULTS
    }
    return ScalingPolicy(
        triggers=tuple(
            TriggerPolicy(m["name"], "external", m["target_milli"] / 1000, MetricType(m["target_type"]))
            for m in case["metrics"]
        ),
        min_replicas=case["min"],
        max_replicas=case["max"],
        scale_up=sides["scaleUp"],
        scale_down=sides["scaleDown"],
    )


def readings_of(step: dict[str, Any]) -> dict[str, Reading]:
    return {
        name: Reading.failed("no answer") if value is None else Reading(value / 1000)
        for name, value in step["values_milli"].items()
    }


def test_reconciles_are_those_of_the_hpa(recorded: Any, account: Any, direction: Any) -> None:
    cases = [case for case in recorded("hpa-timelines") if case["behavior"] is not None]
    steps = 0
    for case in cases:
        policy = policy_of(case, direction)
        store = SlotStore(
            max(limit.period_s for limit in policy.scale_up.limits),
            max(limit.period_s for limit in policy.scale_down.limits),
        )
        state = initial_state(0.0)
        for step in case["steps"]:
            steps += 1
            now, current, expected = float(step["t_s"]), step["spec_replicas"], step["expected"]
            replicas = ReplicaCounts(current, step["status_replicas"], step["ready_pods"])
            before = state
            decision, state = decide(policy, before, readings_of(step), replicas, now)
            if decision.desired != expected:
                # The rule: we remember changes that the HPA has forgotten. With its memory we answer as it does.
                forgetful = replace(before, events=store.events(policy))
                assert forgetful.events != before.events, (case["id"], now)
                decision, after = decide(policy, forgetful, readings_of(step), replicas, now)
                assert decision.desired == expected, (case["id"], now)
                account.explain("changes-are-all-kept")
                state = with_actual_change(policy, before, after, expected - current)
            if expected != current:
                store.add(now, expected - current)
            if policy.min_replicas <= current <= policy.max_replicas:  # else the HPA asks no metric
                assert any(t.error is not None for t in decision.triggers) == step["error"], (case["id"], now)
    assert len(cases) == 174
    account.close("hpa-timelines (steps with a behavior)", steps, {"changes-are-all-kept": 8})


def with_actual_change(
    policy: ScalingPolicy, before: DecisionState, after: DecisionState, change: int
) -> DecisionState:
    """Go on from what the HPA did, with all of our own memory."""
    assert after.decided_at is not None
    return replace(after, events=rate_limits.with_change(policy, before.events, after.decided_at, change))

"""KEDA's activity of a whole object, from its triggers, their errors and the fallback."""

from __future__ import annotations

from typing import Any

from scaler.decision import decide
from scaler.model import (
    DecisionState,
    Fallback,
    FallbackBehavior,
    Reading,
    ReplicaCounts,
    ScalingPolicy,
    TriggerKind,
    TriggerPolicy,
)


def trigger_of(index: int, given: dict[str, Any]) -> TriggerPolicy:
    if given["type"] == "cpu":
        return TriggerPolicy(f"cpu-{index}", "cpu", 50.0, kind=TriggerKind.RESOURCE)
    return TriggerPolicy(given["metric_name"], given["type"], given["target_milli"] / 1000)


def reading_of(given: dict[str, Any]) -> Reading:
    if given["type"] == "cpu":
        return Reading(50.0)
    if given["error"]:
        return Reading.failed("no answer")
    return Reading(given["value_milli"] / 1000, active=given["active"])


def fallback_of(given: dict[str, Any] | None) -> Fallback | None:
    if given is None:
        return None
    return Fallback(given["failureThreshold"], given["replicas"], FallbackBehavior(given["behavior"] or "static"))


def test_activity_is_that_of_keda(recorded: Any, account: Any) -> None:
    cases = recorded("keda-scaled-object-state")
    for case in cases:
        if case["scalingModifiers"] is not None:
            account.explain("scaling-modifiers-not-supported")
            continue
        triggers = tuple(trigger_of(index, given) for index, given in enumerate(case["triggers"]))
        policy = ScalingPolicy(triggers=triggers, fallback=fallback_of(case["fallback"]))
        failures = {
            trigger.name: given["failures_before"]
            for trigger, given in zip(triggers, case["triggers"], strict=True)
            if given.get("failures_before")
        }
        readings = {trigger.name: reading_of(given) for trigger, given in zip(triggers, case["triggers"], strict=True)}
        decision, _ = decide(
            policy,
            DecisionState(created_at=0.0, failures=failures),
            readings,
            ReplicaCounts.settled(case["current_replicas"]),
            1000.0,
        )
        external = [
            outcome
            for outcome, trigger in zip(decision.triggers, triggers, strict=True)
            if trigger.kind is TriggerKind.EXTERNAL
        ]
        assert decision.active == case["expected_active"], case["id"]
        assert any(outcome.value is None for outcome in external) == case["expected_error"], case["id"]
        assert any(outcome.fallback for outcome in external) == case["expected_fallback_active"], case["id"]
        active = [outcome.name for outcome in external if outcome.active]
        assert active == (case["expected_active_metrics"] or []), case["id"]
    account.close("keda-scaled-object-state", len(cases), {"scaling-modifiers-not-supported": 194})

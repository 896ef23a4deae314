"""What KEDA serves for a trigger that keeps failing."""

from __future__ import annotations

from typing import Any

from scaler.decision import decide
from scaler.decision.proposals import milli
from scaler.model import (
    DecisionState,
    Fallback,
    FallbackBehavior,
    MetricType,
    Reading,
    ReplicaCounts,
    ScalingPolicy,
    TriggerPolicy,
)


def fallback_of(given: dict[str, Any] | None) -> Fallback | None:
    """Read a fallback; one with negative numbers is none, as in KEDA (our manifests refuse it)."""
    if given is None or given["failureThreshold"] < 0 or given["replicas"] < 0:
        return None
    return Fallback(given["failureThreshold"], given["replicas"], FallbackBehavior(given["behavior"] or "static"))


def test_fallback_is_that_of_keda(recorded: Any, account: Any) -> None:
    cases = recorded("keda-fallback")
    for case in cases:
        if case["scalingModifiers"] is not None:
            account.explain("scaling-modifiers-not-supported")
            continue
        target = case["target"]
        metric_type = MetricType(target["type"])
        target_milli = target["averageValue_milli" if metric_type is MetricType.AVERAGE_VALUE else "value_milli"]
        name = case["metric_name"]
        fallback = fallback_of(case["fallback"])
        failures = {name: case["health"].get(name, {"numberOfFailures": 0})["numberOfFailures"]}
        replicas = ReplicaCounts(case["current_replicas"], case["current_replicas"], case["ready_replicas"])
        reading = (
            Reading.failed("no answer") if case["scaler_error"] else Reading(case["metrics"][0]["value_milli"] / 1000)
        )
        decision, state = decide(
            ScalingPolicy(
                triggers=(TriggerPolicy(name, "external", target_milli / 1000, metric_type),), fallback=fallback
            ),
            DecisionState(created_at=0.0, failures=failures),
            {name: reading},
            replicas,
            1000.0,
        )
        (outcome,) = decision.triggers
        if case["expected_error"]:
            assert outcome.value is None, case["id"]
        else:
            assert outcome.value is not None
            assert milli(outcome.value) == case["expected_metrics"][0]["value_milli"], case["id"]
            assert outcome.fallback == case["expected_fallback_active"], case["id"]
        after = case["health_after"].get(name, {"numberOfFailures": 0})["numberOfFailures"]
        if state.failures.get(name, 0) != after:
            # KEDA counts only where a fallback is configured; here `explain` and the metrics show it always.
            assert fallback is None, case["id"]
            account.explain("failures-counted-without-fallback")
    account.close(
        "keda-fallback",
        len(cases),
        {"failures-counted-without-fallback": 138, "scaling-modifiers-not-supported": 222},
    )

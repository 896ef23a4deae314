"""The HPA's replica calculator, for external metrics and for the use of cpu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scaler.decision.proposals import milli, propose
from scaler.decision.usage import CPU_INITIALIZATION_S, INITIAL_READINESS_DELAY_S, NotMeasured, average
from scaler.model import (
    Direction,
    MetricType,
    ReplicaCounts,
    ReplicaSample,
    ReplicaState,
    ScalingPolicy,
    TriggerKind,
    TriggerPolicy,
)


def sample(pod: Mapping[str, Any]) -> ReplicaSample:
    """Say of a replica what the HPA is told of a pod."""
    metric = pod["metric"] or {"value_milli": None, "window_s": 0, "age_s": 0}
    state = ReplicaState.READY if pod["ready"]["status"] == "True" else ReplicaState.NOT_READY
    if pod["deleting"] or pod["phase"] == "Failed":
        state = ReplicaState.STOPPING
    return ReplicaSample(
        replica=pod["name"],
        state=state,
        usage=None if metric["value_milli"] is None else metric["value_milli"] / 1000,
        limit=pod["request_milli"] / 1000,
        running_s=None if pod["phase"] == "Pending" else pod["start_age_s"],
        settled_s=pod["ready"]["last_transition_age_s"],
        window_s=metric["window_s"],
        measured_s=metric["age_s"],
    )


def test_proposals_for_external_metrics_are_those_of_the_hpa(recorded: Any, account: Any) -> None:
    cases = [case for case in recorded("hpa-replica-calc") if case["kind"].startswith("External/")]
    for case in cases:
        metric_type = MetricType(case["kind"].removeprefix("External/"))
        trigger = TriggerPolicy("s0", "external", case["target_milli"] / 1000, metric_type)
        value = sum(case["levels_milli"])
        assert milli(value / 1000) == value
        replicas = ReplicaCounts(case["current"], case["current"], case.get("ready_pods", case["current"]))
        wants, _ = propose(trigger, value, case["target_milli"], replicas, policy(case))
        assert wants == case["expected"], case["id"]
    account.close("hpa-replica-calc, external", len(cases), {})


def test_proposals_for_cpu_are_those_of_the_hpa(recorded: Any, account: Any) -> None:
    """Pods that start, end, fail and have no metrics included; the utilization that is reported, too."""
    cases = [case for case in recorded("hpa-replica-calc") if case["kind"] == "Resource/Utilization"]
    for case in cases:
        assert case["cpu_initialization_period_s"] == CPU_INITIALIZATION_S
        assert case["delay_of_initial_readiness_s"] == INITIAL_READINESS_DELAY_S
        target = case["target_utilization_percent"]
        trigger = TriggerPolicy(
            "cpu", "cpu", target, MetricType.UTILIZATION, kind=TriggerKind.RESOURCE, busy_start=True
        )
        samples = [sample(pod) for pod in case["pods"]]
        try:
            found = average(trigger, target * 1000, samples, case["current"], policy(case))
        except NotMeasured:
            assert case.get("expected_error"), case["id"]
            continue
        assert not case.get("expected_error"), case["id"]
        assert (found.wants, found.value / 1000) == (case["expected"], case["expected_utilization_percent"]), case["id"]
    assert len(cases) == 300
    account.close("hpa-replica-calc, cpu", len(cases), {})


def policy(case: Mapping[str, Any]) -> ScalingPolicy:
    return ScalingPolicy(
        scale_up=Direction(tolerance=case["tolerance_up"]), scale_down=Direction(tolerance=case["tolerance_down"])
    )

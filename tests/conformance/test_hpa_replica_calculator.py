"""The HPA's replica calculator for external metrics."""

from __future__ import annotations

from typing import Any

from scaler.decision.proposals import milli, propose
from scaler.model import Direction, MetricType, ReplicaCounts, ScalingPolicy, TriggerPolicy


def test_proposals_are_those_of_the_hpa(recorded: Any, account: Any) -> None:
    cases = recorded("hpa-replica-calc")
    for case in cases:
        if not case["kind"].startswith("External/"):
            # Pod by pod averaging happens where usage is read; the decision is given a percentage.
            assert case["kind"] == "Resource/Utilization"
            account.explain("usage-is-read-not-averaged")
            continue
        metric_type = MetricType(case["kind"].removeprefix("External/"))
        trigger = TriggerPolicy("s0", "external", case["target_milli"] / 1000, metric_type)
        policy = ScalingPolicy(
            scale_up=Direction(tolerance=case["tolerance_up"]), scale_down=Direction(tolerance=case["tolerance_down"])
        )
        value = sum(case["levels_milli"])
        assert milli(value / 1000) == value
        replicas = ReplicaCounts(case["current"], case["current"], case.get("ready_pods", case["current"]))
        wants, _ = propose(trigger, value, case["target_milli"], replicas, policy)
        assert wants == case["expected"], case["id"]
    account.close("hpa-replica-calc", len(cases), {"usage-is-read-not-averaged": 300})

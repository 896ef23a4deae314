"""The model of the HPA that ours is compared with (`benchmarks.quality.hpa`) answers as the real controller did."""

from __future__ import annotations

from typing import Any

from benchmarks.quality.hpa import Hpa, Limits, Metric


def test_without_a_behavior_it_stabilizes_and_limits_as_the_hpa(recorded: Any, account: Any) -> None:
    cases = recorded("hpa-no-behavior")
    for case in cases:
        rules = Limits(case["stabilization_window_s"])
        for each in case["recommendations"]:
            rules.remember(-each["age_s"], each["replicas"])
        assert rules.decide(case["desired"], case["current"], case["min"], case["max"], 0.0) == case["expected"]
        assert [each.number for each in rules.recommendations] == case["recommendations_after"], case["id"]
    assert len(cases) == 600
    account.close("hpa-no-behavior (the model to compare with)", len(cases), {})


def test_whole_reconciles_are_those_of_the_hpa(recorded: Any, account: Any) -> None:
    cases = recorded("hpa-timelines")
    steps = 0
    for case in cases:
        hpa = Hpa(
            [Metric(m["name"], m["target_milli"], average=m["target_type"] == "AverageValue") for m in case["metrics"]],
            least=case["min"],
            most=case["max"],
            behavior=case["behavior"],
            window_s=case["default_scale_down_window_s"],
            tolerance=case["default_tolerance"],
        )
        for step in case["steps"]:
            steps += 1
            answer = hpa.sync(
                step["values_milli"],
                spec=step["spec_replicas"],
                status=step["status_replicas"],
                ready=step["ready_pods"],
                now=float(step["t_s"]),
            )
            assert answer == (step["expected"], step["error"]), (case["id"], step)
    assert len(cases) == 240
    account.close("hpa-timelines (steps of the model to compare with)", steps, {})

"""Failing triggers, fallbacks and pauses."""

from __future__ import annotations

from typing import Any

import pytest

from scaler.model import Fallback, FallbackBehavior, MetricType, Pause, Reading, Rule, TriggerPolicy

TWO = (TriggerPolicy("a", "redis", 5.0), TriggerPolicy("b", "kafka", 5.0))


def test_an_unknown_trigger_holds_the_count_past_window_and_cooldown(timeline: Any) -> None:
    t = timeline(cooldown_s=1)
    t.at(0, backlog=20).expect(4)
    t.at(60, backlog=None).expect(4, reason="unknown", next_after_s=None)
    t.at(61, backlog=0).expect(0)


def test_a_trigger_that_was_not_read_is_unknown(timeline: Any) -> None:
    t = timeline(replicas=3, cooldown_s=0)
    decision = t.at(10).decision
    assert (decision.desired, decision.triggers[0].error) == (3, "not read yet")


def test_others_may_scale_up_while_one_is_unknown_but_not_down(timeline: Any) -> None:
    t = timeline(replicas=4, min_replicas=1, triggers=TWO)
    t.at(0, a=40, b=None).expect(8)
    t.at(10, a=5, b=None).expect(8, rules=(Rule.TRIGGER_UNKNOWN,))


def test_at_zero_a_known_trigger_activates_despite_an_unknown_one(timeline: Any) -> None:
    t = timeline(triggers=TWO)
    t.at(0, a=0, b=None).expect(0, reason="unknown")
    t.at(1, a=15, b=None).expect(3, reason="activated")


def test_activity_counts_although_another_trigger_is_unknown(timeline: Any) -> None:
    t = timeline(triggers=TWO, cooldown_s=60)
    t.at(0, a=5, b=5).expect(1)
    t.at(5, a=5, b=None).expect(1)
    t.at(5, 30, a=0, b=0).expect(1, reason="cooldown", next_after_s=30)


@pytest.mark.parametrize(
    ("behavior", "expected"),
    [
        pytest.param(FallbackBehavior.STATIC, 6, id="static"),
        pytest.param(FallbackBehavior.CURRENT, 4, id="currentReplicas"),
        pytest.param(FallbackBehavior.CURRENT_IF_HIGHER, 6, id="currentReplicasIfHigher"),
        pytest.param(FallbackBehavior.CURRENT_IF_LOWER, 4, id="currentReplicasIfLower"),
    ],
)
@pytest.mark.parametrize("metric_type", [MetricType.AVERAGE_VALUE, MetricType.VALUE])
def test_fallback_counts_after_more_failures_than_the_threshold(
    timeline: Any, behavior: FallbackBehavior, expected: int, metric_type: MetricType
) -> None:
    trigger = TriggerPolicy("backlog", "redis", 5.0, metric_type)
    t = timeline(replicas=4, triggers=(trigger,), fallback=Fallback(2, 6, behavior))
    t.at(0, 1, backlog=None).expect(4, reason="unknown", next_after_s=0)
    t.at(0, 2, backlog=None).expect(4, reason="unknown", next_after_s=0)
    moment = t.at(0, 3, backlog=None)
    moment.expect(expected, reason="triggers", active=True)
    outcome = moment.decision.triggers[0]
    assert (outcome.fallback, outcome.active, outcome.error) == (True, True, "down")


def test_one_success_resets_the_failures(timeline: Any) -> None:
    t = timeline(replicas=4, min_replicas=1, fallback=Fallback(1, 9))
    t.at(0, 1, backlog=None).expect(4)
    t.at(0, 2, backlog=20).expect(4)
    t.at(0, 3, backlog=None).expect(4)
    t.at(0, 4, backlog=None).expect(9)


def test_a_second_decision_at_the_same_moment_counts_no_failure_twice(timeline: Any) -> None:
    t = timeline(replicas=4, fallback=Fallback(1, 9))
    for _ in range(5):
        t.at(0, 1, backlog=None).expect(4)


def test_fallback_for_a_value_needs_ready_replicas(timeline: Any) -> None:
    trigger = TriggerPolicy("backlog", "redis", 5.0, MetricType.VALUE)
    t = timeline(replicas=4, triggers=(trigger,), fallback=Fallback(0, 9))
    t.at(0, 1, backlog=None, ready=0).expect(4, reason="unknown")
    t.at(0, 2, backlog=None, ready=2).expect(9)


def test_odd_numbers_count_as_zero(timeline: Any) -> None:
    for odd in (float("nan"), float("inf"), -5.0):
        t = timeline(replicas=2, min_replicas=1)
        assert t.at(0, backlog=odd).decision.triggers[0].value == 0


def test_a_target_that_cannot_divide_makes_the_trigger_unknown(timeline: Any) -> None:
    t = timeline(replicas=2, triggers=(TriggerPolicy("backlog", "redis", 0.0),))
    t.at(0, backlog=5).expect(2, reason="unknown")


def test_activity_without_a_value_starts_one_replica(timeline: Any) -> None:
    t = timeline()
    t.at(0, backlog=Reading(active=True)).expect(1, reason="activated")


def test_paused_keeps_the_count_and_forgets_the_windows(timeline: Any) -> None:
    t = timeline(replicas=3, pause=Pause(paused=True), cooldown_s=0)
    t.at(10, backlog=500).expect(3, reason="paused", rules=(Rule.PAUSED,), next_after_s=None)
    assert t.state.windows_since is None


def test_paused_replicas_wins_over_paused_and_over_the_bounds(timeline: Any) -> None:
    t = timeline(replicas=3, min_replicas=5, pause=Pause(paused=True, replicas=0))
    t.at(0, backlog=500).expect(0, reason="paused", rules=(Rule.PAUSED_REPLICAS,), next_after_s=None)


def test_paused_scale_in_goes_up_only(timeline: Any) -> None:
    t = timeline(replicas=3, pause=Pause(scale_in=True), cooldown_s=0)
    t.at(0, backlog=50).expect(10)
    t.at(20, backlog=25).expect(10, reason="paused", rules=(Rule.PAUSED_SCALE_IN,), next_after_s=None)
    t.at(40, backlog=0).expect(10, reason="paused", next_after_s=None)


def test_paused_scale_out_goes_down_only(timeline: Any) -> None:
    t = timeline(replicas=3, pause=Pause(scale_out=True), cooldown_s=60)
    t.at(0, backlog=50).expect(3, reason="paused", rules=(Rule.PAUSED_SCALE_OUT,), next_after_s=None)
    t.at(2, backlog=0).expect(0, reason="deactivated")
    t.at(3, backlog=50).expect(0, reason="paused", rules=(Rule.PAUSED_SCALE_OUT,), next_after_s=None)


def test_force_activation_acts_as_an_active_trigger(timeline: Any) -> None:
    t = timeline(pause=Pause(force_activation=True), cooldown_s=0)
    t.at(0, backlog=0).expect(1, reason="activated", active=True)
    t.at(60, backlog=0).expect(1)

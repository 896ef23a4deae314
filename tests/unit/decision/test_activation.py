"""From zero, to zero, and the cooldown between."""

from __future__ import annotations

from typing import Any

from scaler.model import Direction, Reading, Rule, TriggerKind, TriggerPolicy


def test_goes_from_zero_straight_to_the_wanted_count(timeline: Any) -> None:
    t = timeline(max_replicas=10)
    t.at(0, backlog=0).expect(0, reason="inactive", active=False, next_after_s=None)
    t.at(0, 5, backlog=50).expect(10, reason="activated", active=True, next_after_s=None)


def test_a_value_at_the_activation_threshold_does_not_activate(timeline: Any) -> None:
    t = timeline(triggers=(TriggerPolicy("backlog", "redis", 5.0, activation=20.0),))
    t.at(0, backlog=20).expect(0, rules=(Rule.ACTIVATION,))
    t.at(1, backlog=20.5).expect(5)


def test_the_source_s_own_activity_wins_over_the_threshold(timeline: Any) -> None:
    t = timeline()
    t.at(0, backlog=Reading(50.0, active=False)).expect(0, active=False)
    t.at(1, backlog=Reading(0.0, active=True)).expect(1, reason="activated", rules=(Rule.ACTIVATION,))


def test_activation_reaches_the_minimum(timeline: Any) -> None:
    t = timeline(min_replicas=3, idle_replicas=0)
    t.at(0, backlog=5).expect(3, reason="activated", rules=(Rule.MIN_REPLICAS,))


def test_goes_to_zero_once_the_cooldown_is_strictly_over(timeline: Any) -> None:
    t = timeline(cooldown_s=60)
    t.at(0, backlog=20).expect(4)
    t.at(0, 30, backlog=0).expect(4, reason="cooldown", next_after_s=30)
    t.at(1, backlog=0).expect(4, reason="cooldown", next_after_s=0)
    t.at(1, 0.5, backlog=0).expect(0, reason="deactivated", active=False, next_after_s=None)


def test_activity_renews_the_cooldown(timeline: Any) -> None:
    t = timeline(cooldown_s=60)
    t.at(0, backlog=5).expect(1)
    t.at(1, backlog=1).expect(1)
    t.at(1, 55, backlog=0).expect(1, reason="cooldown", rules=(Rule.STABILIZATION_DOWN,), next_after_s=5)
    t.at(2, 1, backlog=0).expect(0)


def test_the_cooldown_is_what_keeps_the_last_replica_after_the_window(timeline: Any) -> None:
    t = timeline(cooldown_s=900)
    t.at(0, backlog=5).expect(1)
    t.at(10, backlog=0).expect(1, reason="cooldown", rules=(Rule.COOLDOWN,), next_after_s=300)


def test_a_workload_that_was_never_active_has_the_initial_cooldown(timeline: Any) -> None:
    t = timeline(replicas=1, cooldown_s=0, initial_cooldown_s=120, scale_down=Direction())
    t.at(1, backlog=0).expect(1, reason="cooldown", rules=(Rule.INITIAL_COOLDOWN,), next_after_s=60)
    t.at(2, 1, backlog=0).expect(0, reason="deactivated")


def test_a_minimum_above_zero_is_kept_without_a_cooldown(timeline: Any) -> None:
    t = timeline(replicas=2, min_replicas=2, cooldown_s=0, scale_down=Direction())
    t.at(0, backlog=0).expect(2, reason="inactive", rules=(Rule.MIN_REPLICAS,), next_after_s=None)


def test_inactive_below_the_minimum_goes_up_to_it(timeline: Any) -> None:
    t = timeline(min_replicas=2)
    t.at(0, backlog=0).expect(2)


def test_idle_mode_rests_at_the_idle_count_and_serves_from_the_minimum(timeline: Any) -> None:
    t = timeline(replicas=1, min_replicas=3, idle_replicas=1, cooldown_s=60)
    t.at(0, backlog=0).expect(1, reason="inactive", rules=(Rule.IDLE_REPLICAS,), next_after_s=None)
    t.at(1, backlog=5).expect(3, reason="activated")
    t.at(2, 1, backlog=0).expect(1, reason="deactivated", rules=(Rule.IDLE_REPLICAS,))


def test_only_resource_triggers_never_bring_a_workload_to_zero(timeline: Any) -> None:
    cpu = TriggerPolicy("cpu", "cpu", 50.0, kind=TriggerKind.RESOURCE)
    t = timeline(replicas=1, triggers=(cpu,), cooldown_s=0)
    t.at(10, cpu=0).expect(1, active=True)
    t.at(20, cpu=None).expect(1, active=False, reason="unknown")


def test_a_resource_trigger_does_not_keep_others_awake(timeline: Any) -> None:
    cpu = TriggerPolicy("cpu", "cpu", 50.0, kind=TriggerKind.RESOURCE)
    t = timeline(replicas=1, triggers=(cpu, TriggerPolicy("backlog", "redis", 5.0)), cooldown_s=0)
    t.at(10, cpu=50, backlog=0).expect(0, reason="deactivated", rules=(Rule.ACTIVATION,))


def test_without_a_behavior_the_last_step_jumps_past_the_window(timeline: Any) -> None:
    t = timeline(replicas=10, cooldown_s=10)
    t.at(0, backlog=50).expect(10)
    t.at(0, 11, backlog=0).expect(0, reason="deactivated")


def test_an_explicit_scale_down_window_holds_for_the_last_step_too(timeline: Any) -> None:
    t = timeline(cooldown_s=10, scale_down=Direction(stabilization_window_s=60, explicit=True))
    t.at(0, backlog=50).expect(10)
    t.at(0, 30, backlog=0).expect(10, rules=(Rule.STABILIZATION_DOWN,), next_after_s=30)
    t.at(1, 1, backlog=0).expect(0, reason="deactivated", next_after_s=None)


def test_no_triggers_keep_the_minimum(timeline: Any) -> None:
    t = timeline(replicas=5, triggers=(), min_replicas=1)
    t.at(0).expect(1, reason="no_triggers", rules=(Rule.MIN_REPLICAS,), next_after_s=None)

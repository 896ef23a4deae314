"""Windows, rate limits and bounds."""

from __future__ import annotations

from typing import Any

import pytest

from scaler.model import Direction, PolicyType, RateLimit, Reading, Rule, SelectPolicy, TriggerPolicy

# When timelines begin.
START = 1_700_000_000.0
PODS_2_A_MINUTE = RateLimit(PolicyType.PODS, 2, 60)


def test_nothing_scales_down_in_the_first_window(timeline: Any) -> None:
    t = timeline(replicas=8, min_replicas=1)
    t.at(0, backlog=10).expect(8, rules=(Rule.STABILIZATION_DOWN,), next_after_s=300)
    t.at(4, 59, backlog=10).expect(8)
    t.at(5, backlog=10).expect(2)


def test_scale_down_waits_for_the_whole_window(timeline: Any) -> None:
    t = timeline(min_replicas=1)
    t.at(0, backlog=50).expect(10)
    t.at(1, backlog=20).expect(10, next_after_s=240)
    t.at(4, 59.9, backlog=10).expect(10)
    t.at(5, backlog=10).expect(4, rules=(Rule.STABILIZATION_DOWN,), next_after_s=60)
    t.at(6, backlog=10).expect(2)


def test_scale_up_waits_for_its_window_and_goes_to_the_lowest_in_it(timeline: Any) -> None:
    t = timeline(replicas=1, min_replicas=1, scale_up=Direction(stabilization_window_s=60, explicit=True))
    t.at(0, backlog=5).expect(1)
    t.at(0, 30, backlog=50).expect(1, rules=(Rule.STABILIZATION_UP,), next_after_s=30)
    t.at(0, 50, backlog=30).expect(1)
    t.at(1, backlog=50).expect(6, next_after_s=50)
    t.at(1, 50, backlog=50).expect(10)


def test_pods_policy_limits_each_period(timeline: Any) -> None:
    up = Direction(limits=(PODS_2_A_MINUTE,), explicit=True)
    t = timeline(replicas=1, min_replicas=1, scale_up=up)
    t.at(0, backlog=50).expect(3, rules=(Rule.POLICIES_UP,), next_after_s=60)
    t.at(0, 59, backlog=50).expect(3, next_after_s=1)
    t.at(1, backlog=50).expect(5)


def test_from_zero_a_behavior_limits_but_one_replica_always_comes(timeline: Any) -> None:
    percent = Direction(limits=(RateLimit(PolicyType.PERCENT, 100, 60),), explicit=True)
    t = timeline(scale_up=percent)
    t.at(0, backlog=50).expect(1, reason="activated", rules=(Rule.POLICIES_UP, Rule.ACTIVATION), next_after_s=60)
    t.at(1, backlog=50).expect(2)
    t.at(2, backlog=50).expect(4)


def test_both_directions_count_in_a_period(timeline: Any) -> None:
    t = timeline(
        replicas=4,
        min_replicas=1,
        scale_up=Direction(limits=(PODS_2_A_MINUTE,), explicit=True),
        scale_down=Direction(explicit=True),
    )
    t.at(0, backlog=10).expect(2)
    t.at(0, 10, backlog=100).expect(6)  # 4 at the start of the period, and 2 more


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        pytest.param(SelectPolicy.MAX, 8, id="the-largest-change"),
        pytest.param(SelectPolicy.MIN, 6, id="the-smallest-change"),
        pytest.param(SelectPolicy.DISABLED, 4, id="none"),
    ],
)
def test_select_policy_chooses_among_limits(timeline: Any, select: SelectPolicy, expected: int) -> None:
    limits = (PODS_2_A_MINUTE, RateLimit(PolicyType.PERCENT, 100, 60))
    t = timeline(replicas=4, min_replicas=1, scale_up=Direction(limits=limits, select_policy=select, explicit=True))
    t.at(0, backlog=100).expect(expected)


def test_a_disabled_direction_has_no_next_change(timeline: Any) -> None:
    down = Direction(select_policy=SelectPolicy.DISABLED, explicit=True)
    t = timeline(replicas=4, cooldown_s=10, scale_down=down)
    t.at(0, backlog=10).expect(4, next_after_s=None)
    t.at(1, backlog=10).expect(4, rules=(Rule.POLICIES_DOWN,), next_after_s=None)
    t.at(9, backlog=0).expect(4, reason="deactivated", rules=(Rule.POLICIES_DOWN,), next_after_s=None)


def test_a_schedule_says_when_the_count_changes_next(timeline: Any) -> None:
    office = (TriggerPolicy("office", "cron", 1.0, exact=True),)
    t = timeline(triggers=office, cooldown_s=60)

    def window(replicas: float, *, until_minute: float) -> Reading:
        return Reading(replicas, active=replicas > 0, changes_at=START + until_minute * 60)

    t.at(0, office=window(0, until_minute=10)).expect(0, next_after_s=600)
    t.at(10, office=window(5, until_minute=30)).expect(5, reason="activated", next_after_s=20 * 60)
    t.at(29, 59, office=window(5, until_minute=30)).expect(5, next_after_s=1)
    # The cooldown is over before the schedule changes again.
    t.at(30, office=window(0, until_minute=90)).expect(5, reason="cooldown", next_after_s=59)
    t.at(40, office=window(0, until_minute=90)).expect(0, reason="deactivated", next_after_s=50 * 60)
    # One that was due since it was read can show at once.
    t.at(91, office=window(0, until_minute=90)).expect(0, next_after_s=0)


def test_of_several_schedules_the_largest_count_wins_and_the_first_change_counts(timeline: Any) -> None:
    both = (TriggerPolicy("day", "cron", 1.0, exact=True), TriggerPolicy("peak", "cron", 1.0, exact=True))
    t = timeline(triggers=both)
    day = Reading(10.0, active=True, changes_at=START + 600)
    peak = Reading(11.0, active=True, changes_at=START + 300)
    # Within the tolerance of other triggers, and yet exact.
    t.at(0, day=day, peak=Reading(0.0, active=False, changes_at=START + 100)).expect(10, next_after_s=100)
    t.at(2, day=day, peak=peak).expect(11, next_after_s=180)


def test_an_explicit_scale_down_policy_holds_for_the_steps_to_zero(timeline: Any) -> None:
    down = Direction(limits=(PODS_2_A_MINUTE,), explicit=True)
    t = timeline(cooldown_s=10, scale_down=down)
    t.at(0, backlog=25).expect(5)
    t.at(1, backlog=0).expect(3, reason="deactivated", next_after_s=60)
    t.at(1, 30, backlog=0).expect(3, next_after_s=30)
    t.at(2, backlog=0).expect(1)
    t.at(3, backlog=0).expect(0, next_after_s=None)


def test_up_percent_rounds_up_and_down_percent_truncates(timeline: Any) -> None:
    ten = Direction(limits=(RateLimit(PolicyType.PERCENT, 10, 60),), explicit=True)
    timeline(replicas=11, min_replicas=1, scale_up=ten).at(0, backlog=500).expect(13)
    t = timeline(replicas=11, min_replicas=1, scale_down=ten)
    t.at(0, backlog=5).expect(9)


def test_above_the_maximum_or_below_the_minimum_goes_to_the_bound_at_once(timeline: Any) -> None:
    slow = Direction(stabilization_window_s=600, limits=(RateLimit(PolicyType.PODS, 1, 60),), explicit=True)
    t = timeline(replicas=20, min_replicas=2, max_replicas=10, scale_up=slow, scale_down=slow)
    t.at(0, backlog=100).expect(10, rules=(Rule.MAX_REPLICAS,))
    t = timeline(replicas=1, min_replicas=4, scale_up=slow, scale_down=slow)
    t.at(0, backlog=100).expect(4, rules=(Rule.MIN_REPLICAS,))


def test_the_maximum_is_told_apart_from_the_policies(timeline: Any) -> None:
    t = timeline(replicas=1, max_replicas=3, scale_up=Direction(limits=(RateLimit(PolicyType.PODS, 4, 60),)))
    t.at(0, backlog=500).expect(3, rules=(Rule.MAX_REPLICAS,), next_after_s=None)


def test_deviations_within_the_tolerance_of_their_direction_are_ignored(timeline: Any) -> None:
    t = timeline(replicas=10, min_replicas=1, scale_down=Direction(tolerance=0.2))
    moment = t.at(0, backlog=55)
    moment.expect(10, next_after_s=None)
    assert moment.decision.triggers[0].within_tolerance
    t.at(0, 2, backlog=40).expect(10)
    t.at(0, 3, backlog=39.9).expect(8)
    t.at(0, 4, backlog=44.1).expect(9)


def test_a_schedule_reaches_its_exact_count(timeline: Any) -> None:
    exact = timeline(replicas=20, min_replicas=1, triggers=(TriggerPolicy("office", "cron", 1.0, exact=True),))
    exact.at(0, office=21).expect(21)
    inexact = timeline(replicas=20, min_replicas=1, triggers=(TriggerPolicy("office", "cron", 1.0),))
    inexact.at(0, office=21).expect(20)

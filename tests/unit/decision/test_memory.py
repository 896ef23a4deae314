"""What is remembered, and what a clock that was set back does to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scaler.decision import resumed
from scaler.model import Direction, PolicyType, RateLimit


def test_windows_keep_one_entry_per_count_however_often_they_are_read(timeline: Any) -> None:
    window = Direction(stabilization_window_s=300, explicit=True)
    t = timeline(replicas=1, max_replicas=20, scale_up=window, scale_down=window)
    for tick in range(6000):
        t.at(second=tick / 10, backlog=30_000 - 5 * tick)
    assert len(t.state.highest) <= 21
    assert len(t.state.lowest) <= 21


def test_changes_are_kept_for_the_longest_period_of_both_directions(timeline: Any) -> None:
    t = timeline(
        replicas=1,
        min_replicas=1,
        scale_up=Direction(limits=(RateLimit(PolicyType.PODS, 1, 10),)),
        scale_down=Direction(limits=(RateLimit(PolicyType.PODS, 1, 100),)),
    )
    for second in range(0, 900, 10):
        t.at(second=second, backlog=10_000)
    assert len(t.state.events) == 10


def test_failures_of_removed_triggers_are_forgotten(timeline: Any) -> None:
    t = timeline()
    t.state = replace(t.state, failures={"gone": 3, "backlog": 1})
    t.at(0, backlog=None)
    assert t.state.failures == {"backlog": 2}


def test_a_clock_set_back_neither_shortens_nor_lengthens_a_cooldown(timeline: Any) -> None:
    t = timeline(cooldown_s=60)
    t.at(60, backlog=5).expect(1)
    t.at(60, 20, backlog=0).expect(1, next_after_s=40)
    t.at(0, backlog=0).expect(1, next_after_s=40)
    t.at(0, 41, backlog=0).expect(0)


def test_the_first_window_begins_anew_after_a_pause(timeline: Any) -> None:
    t = timeline(replicas=6, min_replicas=1)
    t.at(0, backlog=30).expect(6)
    t.policy = replace(t.policy, pause=replace(t.policy.pause, paused=True))
    t.at(30, backlog=5).expect(6)
    t.policy = replace(t.policy, pause=replace(t.policy.pause, paused=False))
    t.at(60, backlog=5).expect(6, next_after_s=300)
    t.at(65, backlog=5).expect(1)


def test_after_a_short_interruption_the_window_goes_on_where_it_was(timeline: Any) -> None:
    t = timeline(replicas=6, min_replicas=1)
    t.at(0, backlog=30).expect(6)
    t.state = resumed(t.policy, t.state, t.state.created_at + 240)
    t.at(4, backlog=5).expect(6, next_after_s=60)
    t.at(5, backlog=5).expect(1)


def test_after_a_long_interruption_nothing_scales_down_on_one_reading(timeline: Any) -> None:
    t = timeline(replicas=6, min_replicas=1)
    t.at(0, backlog=30).expect(6)
    t.state = resumed(t.policy, t.state, t.state.created_at + 3600)
    t.at(60, backlog=5).expect(6, next_after_s=300)
    t.at(65, backlog=5).expect(1)

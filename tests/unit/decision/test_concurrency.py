"""Requests in flight on a timeline: bursts, panic, silence, restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from pydantic import TypeAdapter

from scaler.decision import resumed
from scaler.model import (
    ConcurrencyPolicy,
    ConcurrencyState,
    DecisionState,
    Direction,
    Fallback,
    FlightSecond,
    Reading,
    TriggerOutcome,
    TriggerPolicy,
)

# As manifests have it where all triggers follow requests: Knative's windows are the only ones.
NO_WINDOW = Direction()
MINUTE_S = 60


@pytest.fixture
def app(timeline: Any) -> Callable[..., Any]:
    def build(*, rules: ConcurrencyPolicy | None = None, target: float = 10.0, **policy: Any) -> Any:
        http = TriggerPolicy("http", "http", target, concurrency=rules or ConcurrencyPolicy())
        return timeline(**{"triggers": (http,), "scale_down": NO_WINDOW, **policy})

    return build


def outcome(moment: Any) -> TriggerOutcome:
    (found,) = moment.decision.triggers
    assert isinstance(found, TriggerOutcome)
    return found


def flow(t: Any, first: int, last: int, in_flight: float) -> None:
    """Read once a second, both ends included."""
    for second in range(first, last + 1):
        t.at(second=second, http=in_flight)


def test_from_zero_straight_to_what_is_held(app: Any) -> None:
    t = app()
    t.at(second=0, http=0).expect(0, reason="inactive", active=False, next_after_s=None)
    t.at(second=7.3, http=42).expect(5, reason="activated")
    t.at(second=7.6, ready=0, http=180).expect(18)


def test_nobody_who_gave_up_waiting_starts_anything(app: Any) -> None:
    t = app()
    t.at(second=0, http=0).expect(0)
    t.at(second=1, http=Reading(0.0, active=True, mean=0.4)).expect(0, active=False)


def test_a_burst_from_zero_is_averaged_over_the_time_since_it_began(app: Any) -> None:
    t = app()
    for second in range(0, 100, 5):
        t.at(second=second, http=0)
    t.at(second=99.5, http=20)
    moment = t.at(second=101, http=20)
    moment.expect(2)
    assert outcome(moment).windows.stable == 20


def test_a_burst_half_a_second_old_is_seen_by_the_panic_window(app: Any) -> None:
    t = app(replicas=2, min_replicas=1)
    flow(t, 0, 90, 20)
    t.at(second=90.0, http=220).expect(2)
    moment = t.at(second=90.5, http=220)
    # Five seconds of 20 and half a second of 220 are 38 on average: four replicas, twice as many as there are.
    moment.expect(4)
    assert outcome(moment).windows.panic == pytest.approx(38.181818)
    assert outcome(moment).windows.panicking


def test_a_burst_between_two_readings_counts_by_its_mean(app: Any) -> None:
    t = app(replicas=2, min_replicas=1)
    flow(t, 0, 90, 20)
    moment = t.at(second=92, http=Reading(20.0, mean=200.0))
    moment.expect(10)
    assert outcome(moment).windows.panic == (3 * 20 + 2 * 200) / 5


def test_while_panicking_the_count_only_rises_until_a_stable_window_later(app: Any) -> None:
    t = app(replicas=1, min_replicas=1)
    flow(t, 0, 90, 5)
    flow(t, 91, 96, 100)
    assert t.replicas >= 8
    high = t.replicas
    flow(t, 97, 140, 5)
    assert t.replicas == high
    # 91 to 96 were over; the panic window still wanted twice what is ready some seconds after, if at all.
    flow(t, 141, 160, 5)
    flow(t, 161, 175, 5)
    assert t.replicas == 1


def test_noise_of_a_second_does_not_flap(app: Any) -> None:
    t = app(replicas=3, min_replicas=1)
    flow(t, 0, 90, 25)
    for second in range(91, 300):
        t.at(second=second, http=25 + (4 if second % 2 else -4)).expect(3)


def test_the_averages_fall_with_the_stable_window(app: Any) -> None:
    t = app(replicas=6, min_replicas=1)
    flow(t, 0, 90, 60)
    flow(t, 91, 120, 0)
    assert t.replicas == 4
    t.at(second=121, http=0).expect(3)
    flow(t, 122, 160, 0)
    t.at(second=161, http=0).expect(1)


def test_at_most_half_of_what_is_ready_goes_at_once(app: Any) -> None:
    t = app(replicas=40, min_replicas=1, rules=ConcurrencyPolicy(stable_window_s=6.0, panic_window_s=1.0))
    flow(t, 0, 20, 400)
    flow(t, 21, 26, 0)
    counts = []
    for second in range(27, 33):
        t.at(second=second, http=0)
        counts.append(t.replicas)
    assert all(2 * after >= before - 1 for before, after in pairwise(counts))
    assert counts[-1] == 1


def test_the_scale_down_delay_holds_the_highest_count(app: Any) -> None:
    rules = ConcurrencyPolicy(stable_window_s=6.0, panic_threshold=10.0, max_down_rate=10.0, scale_down_delay_s=120.0)
    t = app(replicas=1, min_replicas=1, rules=rules)
    flow(t, 0, 20, 50)
    flow(t, 21, 130, 5)
    assert t.replicas == 5
    flow(t, 131, 150, 5)
    assert t.replicas == 1


def test_the_least_count_other_than_zero(app: Any) -> None:
    t = app(rules=ConcurrencyPolicy(activation_scale=3))
    t.at(second=0, http=1).expect(3, reason="activated")


def test_idle_is_the_cooldown_after_the_last_request(app: Any) -> None:
    t = app(cooldown_s=30)
    t.at(second=0, http=1).expect(1)
    t.at(second=10, http=0).expect(1, reason="cooldown")
    t.at(second=15, http=Reading(0.0, active=True, mean=0.01)).expect(1, active=True)
    t.at(second=45, http=0).expect(1, reason="cooldown")
    t.at(second=45.1, http=0).expect(0, reason="deactivated")
    t.at(second=50, http=0).expect(0, next_after_s=None)


def test_what_was_before_the_rest_does_not_count_after_it(app: Any) -> None:
    t = app(cooldown_s=2)
    t.at(second=0, http=100)
    flow(t, 1, 10, 100)
    flow(t, 11, 20, 0)
    assert t.replicas == 0
    t.at(second=21, http=1).expect(1)
    moment = t.at(second=22, http=1)
    moment.expect(1)
    assert outcome(moment).windows.stable == 1


def test_a_failed_reading_holds_the_count_and_its_time_is_not_taken_for_zero(app: Any) -> None:
    t = app(replicas=6, min_replicas=1)
    flow(t, 0, 90, 60)
    for second in range(91, 94):
        t.at(second=second, http=None).expect(6, reason="unknown")
    moment = t.at(second=95, http=Reading(60.0, mean=30.0))
    moment.expect(6)
    assert outcome(moment).windows.stable == 60


def test_after_a_longer_outage_it_starts_as_knative_does(app: Any) -> None:
    t = app(replicas=6, min_replicas=1)
    flow(t, 0, 90, 60)
    for second in range(91, 110):
        t.at(second=second, http=None)
    flow(t, 110, 170, 5)
    assert t.replicas == 6
    t.at(second=171, http=5).expect(3)


def test_a_fallback_stands_in_for_what_keeps_failing(app: Any) -> None:
    t = app(replicas=1, min_replicas=1, fallback=Fallback(2, 7))
    t.at(second=0, http=5)
    for second in range(1, 3):
        t.at(second=second, http=None).expect(1)
    t.at(second=3, http=None).expect(7)


def test_the_largest_trigger_wins(app: Any) -> None:
    http = TriggerPolicy("http", "http", 10.0, concurrency=ConcurrencyPolicy())
    t = app(triggers=(http, TriggerPolicy("backlog", "redis", 5.0)), replicas=1)
    t.at(second=0, http=35, backlog=10).expect(4)
    t.at(second=1, http=35, backlog=50).expect(10)


def test_an_unusable_target_is_unknown_and_holds(app: Any) -> None:
    moment = app(replicas=2, target=0.0).at(second=0, http=100)
    moment.expect(2, reason="unknown")
    assert "below 0.001" in (outcome(moment).error or "")


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -5.0])
def test_what_is_no_number_of_requests_is_none(app: Any, odd: float) -> None:
    t = app(replicas=1, min_replicas=1)
    t.at(second=0, http=Reading(odd))
    t.at(second=1, http=Reading(odd, mean=odd)).expect(1)
    assert all(each.request_seconds == 0 for each in t.state.concurrency["http"].seconds)


def test_a_number_that_no_count_can_follow_is_cut(app: Any) -> None:
    app(target=0.01, max_replicas=9).at(second=0, http=1e308).expect(9)


def test_no_known_count_is_given_up_at_the_first_reading_of_a_new_memory(app: Any) -> None:
    t = app(replicas=8, min_replicas=1)
    for second in range(61):
        t.at(second=second, ready=1, http=0).expect(8)
    t.at(second=61, http=1).expect(4)


def test_a_short_restart_invents_nothing(app: Any) -> None:
    t = app(replicas=6, min_replicas=1)
    flow(t, 0, 90, 60)
    t.state = resumed(t.policy, t.state, t.state.decided_at + 4)
    moment = t.at(second=94, http=Reading(0.0, mean=0.0))
    moment.expect(6)
    assert outcome(moment).windows.stable == 60
    assert outcome(t.at(second=95, http=0)).windows.stable < 60


def test_after_a_longer_restart_nothing_scales_down_for_a_whole_window(app: Any) -> None:
    t = app(replicas=6, min_replicas=1)
    flow(t, 0, 90, 60)
    t.state = resumed(t.policy, t.state, t.state.decided_at + 30)
    flow(t, 120, 180, 0)
    assert t.replicas == 6
    t.at(second=181, http=0).expect(3)


def test_a_pause_begins_the_windows_anew(app: Any) -> None:
    t = app(replicas=6, min_replicas=1)
    flow(t, 0, 90, 60)
    t.policy = replace(t.policy, pause=replace(t.policy.pause, paused=True))
    t.at(second=91, http=0).expect(6)
    assert not t.state.concurrency


def test_a_clock_set_back_takes_the_windows_along(app: Any) -> None:
    t = app(replicas=6, min_replicas=1)
    flow(t, 1000, 1090, 60)
    moment = t.at(second=3.25, http=60)
    moment.expect(6)
    assert outcome(moment).windows == replace(outcome(moment).windows, stable=60.0, panic=60.0)
    assert outcome(t.at(second=33.25, http=0)).windows.stable > 55
    assert outcome(t.at(second=63.25, http=0)).windows.stable < 40


def test_a_changed_window_keeps_what_is_known(app: Any) -> None:
    t = app(replicas=6, min_replicas=1)
    flow(t, 0, 90, 60)
    http = replace(t.policy.triggers[0], concurrency=ConcurrencyPolicy(stable_window_s=6.0, panic_window_s=1.0))
    t.policy = replace(t.policy, triggers=(http,))
    t.at(second=91, http=60).expect(6)
    assert len(t.state.concurrency["http"].seconds) <= 6


def test_a_reading_of_minutes_fills_no_more_than_the_window(app: Any) -> None:
    t = app(replicas=1, min_replicas=1)
    t.at(minute=0, http=3)
    t.at(minute=500, http=3).expect(1)
    assert len(t.state.concurrency["http"].seconds) <= MINUTE_S


def test_weighted_averages_follow_sooner(app: Any) -> None:
    linear, weighted = (
        app(replicas=6, min_replicas=1, rules=ConcurrencyPolicy(weighted=each)) for each in (False, True)
    )
    for t in (linear, weighted):
        flow(t, 0, 90, 60)
        flow(t, 91, 105, 0)
    assert weighted.replicas < linear.replicas


def test_the_next_change_is_when_the_window_wants_another_count(app: Any) -> None:
    t = app(replicas=6, min_replicas=1)
    flow(t, 0, 90, 60)
    t.at(second=90, http=60).expect(6, next_after_s=None)
    moment = t.at(second=91, http=0)
    moment.expect(6)
    due = moment.decision.next_change_at - moment.decision.at
    assert due == 9
    for second in range(92, 101):
        t.at(second=second, http=0).expect(6)
    t.at(second=101, http=0).expect(5)


def test_memory_survives_as_json_and_rows_without_it_load(app: Any) -> None:
    rows = TypeAdapter(DecisionState)
    t = app(rules=ConcurrencyPolicy(scale_down_delay_s=60.0))
    t.at(second=0.25, http=50)
    t.at(second=3.75, http=Reading(0.1, mean=1 / 3))
    assert rows.validate_json(rows.dump_json(t.state)) == t.state
    assert t.state.concurrency["http"].seconds[-1] == FlightSecond(1_700_000_003, 0.25, 0.75)
    assert rows.validate_json('{"created_at": 1.0}').concurrency == {}
    assert rows.validate_json('{"created_at": 1.0, "concurrency": {"http": {}}}').concurrency == {
        "http": ConcurrencyState()
    }

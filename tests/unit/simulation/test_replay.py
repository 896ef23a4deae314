"""Traces through the real decision."""

from __future__ import annotations

from typing import Any

import pytest

from scaler.model import (
    ConcurrencyPolicy,
    Decision,
    Direction,
    Fallback,
    ForeignTarget,
    MetricType,
    PolicyType,
    RateLimit,
    Reading,
    Reason,
    ScalingPolicy,
    TriggerPolicy,
    Workload,
)
from scaler.simulation import Row, Summary, TraceStep, simulate, summarize, table


def test_a_row_says_everything_under_its_public_names(replay: Any) -> None:
    policy = ScalingPolicy(triggers=(TriggerPolicy("redis-0", "redis", 5.0),), max_replicas=4)
    (row,) = replay(policy, {"t": 12.5, "readings": {"redis-0": 40}})
    assert row == {
        "t": 12.5,
        "replicas": 0,
        "desired": 4,
        "active": True,
        "reason": "activated",
        "triggers": [
            {
                "name": "redis-0",
                "type": "redis",
                "value": 40.0,
                "active": True,
                "target": 5.0,
                "wants": 8,
                "error": None,
            }
        ],
        "limits": [{"rule": "maxReplicaCount", "from": 8, "to": 4}],
        "next_change_at": None,
    }


def test_a_trigger_that_is_not_named_keeps_its_reading(replay: Any) -> None:
    rows = replay(None, {"t": 0, "readings": {"redis-0": 20}}, {"t": 1}, {"t": 2, "readings": {"redis-0": 30}})
    assert [row["desired"] for row in rows] == [4, 4, 6]


def test_a_trigger_that_was_never_named_is_unknown(replay: Any) -> None:
    (row,) = replay(None, {"t": 0}, replicas=3)
    assert (row["desired"], row["reason"], row["triggers"][0]["error"]) == (3, "unknown", "not read yet")


def test_every_adds_decisions_between_the_lines(replay: Any) -> None:
    lines = ({"t": 10, "readings": {"redis-0": 20}}, {"t": 10.5}, {"t": 11, "readings": {"redis-0": 0}})
    rows = replay(None, *lines, every_s=0.2)
    assert [row["t"] for row in rows] == [10, 10.2, 10.4, 10.5, 10.6, 10.8, 11]


def test_times_are_those_of_the_trace_whenever_it_starts(replay: Any) -> None:
    lines = ({"t": 0.1, "readings": {"redis-0": 20}}, {"t": 30.1, "readings": {"redis-0": 0}})
    assert replay(None, *lines, start=1_700_000_000.3) == replay(None, *lines)
    assert replay(None, *lines)[1]["next_change_at"] == 300.1


def test_the_cooldown_shows_in_the_next_change(replay: Any) -> None:
    lines = ({"t": 0, "readings": {"redis-0": 20}}, {"t": 20, "readings": {"redis-0": 0}}, {"t": 301})
    rows = replay(None, *lines)
    assert [(row["desired"], row["reason"], row["next_change_at"]) for row in rows] == [
        (4, "activated", None),
        (4, "cooldown", 300),
        (0, "deactivated", None),
    ]


def test_new_replicas_are_ready_after_a_while(replay: Any) -> None:
    value = TriggerPolicy("redis-0", "redis", 5.0, MetricType.VALUE)
    lines = ({"t": 0, "readings": {"redis-0": 10}}, {"t": 5}, {"t": 10})
    at_once = replay(None, *lines, trigger=value, replicas=2)
    later = replay(None, *lines, trigger=value, replicas=2, ready_after_s=10)
    assert [row["desired"] for row in at_once] == [4, 8, 16]
    assert [row["desired"] for row in later] == [4, 4, 8]


def test_a_line_can_say_what_is_observed(replay: Any) -> None:
    value = TriggerPolicy("redis-0", "redis", 5.0, MetricType.VALUE)
    rows = replay(
        None, {"t": 0, "readings": {"redis-0": 10}, "replicas": 6, "ready": 2}, {"t": 1, "replicas": 1}, trigger=value
    )
    assert [(row["replicas"], row["triggers"][0]["wants"]) for row in rows] == [(6, 4), (1, 2)]


@pytest.mark.parametrize(
    "options", [{"every_s": 0}, {"every_s": float("nan")}, {"ready_after_s": -1}, {"replicas": -1}]
)
def test_senseless_options_are_refused(replay: Any, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        replay(None, {"t": 0}, **options)


def test_the_summary_adds_up_replicas_changes_and_time_at_zero() -> None:
    def row(t: float, current: int, desired: int) -> Row:
        return Row(t, Decision(t, current, desired, active=True, reason=Reason.TRIGGERS), None)

    rows = [row(0, 0, 0), row(10, 0, 4), row(15, 4, 4), row(20, 4, 0), row(50, 0, 1)]
    assert summarize(rows) == Summary(replica_seconds=40, changes=3, zero_s=40)
    assert summarize([]) == Summary(0, 0, 0)


def test_nothing_to_replay_gives_no_row() -> None:
    workload = Workload("worker", ForeignTarget("Deployment", "worker"), (), ScalingPolicy())
    assert list(simulate(workload, ())) == []


# What the projects' own documentation works out.


def test_aca_a_queue_of_50_with_a_target_of_5_is_10_replicas(replay: Any) -> None:
    (row,) = replay(None, {"t": 0, "readings": {"redis-0": 50}})
    assert row["desired"] == 10


def test_keda_a_list_of_10_with_a_length_of_5_is_2_replicas(replay: Any) -> None:
    (row,) = replay(None, {"t": 0, "readings": {"redis-0": 10}})
    assert row["desired"] == 2


@pytest.mark.parametrize(("current", "expected"), [(200, 8), (50, 2), (109, 4), (91, 4)])
def test_hpa_twice_the_target_doubles_half_halves_and_a_tenth_is_ignored(
    replay: Any, current: float, expected: int
) -> None:
    policy = ScalingPolicy(
        triggers=(TriggerPolicy("cpu-0", "metrics-api", 0.1, MetricType.VALUE),), min_replicas=1, scale_down=Direction()
    )
    (row,) = replay(policy, {"t": 0, "readings": {"cpu-0": current / 1000}}, replicas=4)
    assert row["desired"] == expected


def test_hpa_scaling_down_by_a_tenth_or_four_a_minute(replay: Any) -> None:
    down = Direction(limits=(RateLimit(PolicyType.PODS, 4, 60), RateLimit(PolicyType.PERCENT, 10, 60)), explicit=True)
    policy = ScalingPolicy(
        triggers=(TriggerPolicy("redis-0", "redis", 5.0),), min_replicas=10, max_replicas=100, scale_down=down
    )
    lines = [{"t": 60 * minute, "readings": {"redis-0": 1}} for minute in range(14)]
    rows = replay(policy, *lines, replicas=80)
    counts = [row["desired"] for row in rows]
    # 10 % of 80 is 8; of 72 it is 7.2, rounded to 8; from 40 on, 4 pods are more than 10 %.
    assert counts == [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10]


def test_keda_fallback_after_three_failures_asks_for_its_replicas(replay: Any) -> None:
    policy = ScalingPolicy(
        triggers=(TriggerPolicy("redis-0", "redis", 100.0),), min_replicas=1, fallback=Fallback(3, 6)
    )
    lines = [{"t": 30 * poll, "readings": {"redis-0": {"error": "down"}}} for poll in range(4)]
    rows = replay(policy, *lines, replicas=1)
    assert [row["desired"] for row in rows] == [1, 1, 1, 6]
    assert rows[-1]["triggers"][0]["value"] == 600


HTTP = ScalingPolicy(
    triggers=(TriggerPolicy("http", "http", 10.0, concurrency=ConcurrencyPolicy()),), scale_down=Direction()
)


def test_requests_in_flight_hold_from_their_moment_on(replay: Any) -> None:
    lines = [{"t": 0, "readings": {"http": 0}}, {"t": 10, "readings": {"http": 20}}, {"t": 20}]
    rows = replay(HTTP, *lines, every_s=5)
    assert [(row["t"], row["desired"]) for row in rows] == [(0, 0), (5, 0), (10, 2), (15, 2), (20, 2)]
    assert [row["triggers"][0]["windows"] for row in rows[1::2]] == [
        {"stable": 0.0, "panic": 0.0, "panicking": False},
        {"stable": 20.0, "panic": 20.0, "panicking": True},
    ]


def test_the_cooldown_begins_when_the_last_request_ends(replay: Any) -> None:
    lines = [{"t": 0, "readings": {"http": 5}}, {"t": 1000, "readings": {"http": 0}}, {"t": 1300}, {"t": 1301}]
    rows = replay(HTTP, *lines)
    assert [row["desired"] for row in rows] == [1, 1, 1, 0]


def test_a_mean_is_that_of_the_time_up_to_its_moment_only(replay: Any) -> None:
    lines = [
        {"t": 0, "readings": {"http": 10}},
        {"t": 4, "readings": {"http": {"value": 10, "mean": 50}}},
        {"t": 8},
    ]
    rows = replay(HTTP, *lines, replicas=1)
    assert [row["triggers"][0]["windows"]["stable"] for row in rows] == [10, 50, 30]


def test_the_table_shows_both_windows() -> None:
    steps = [TraceStep(0.0, {"http": Reading(40.0)}), TraceStep(1.0, {})]
    lines = list(table(list(simulate(Workload("app", ForeignTarget("Deployment", "app"), (), HTTP), steps))))
    assert "http=40/10 (panic 40, panicking)" in lines[2]

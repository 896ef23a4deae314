"""Cpu and memory as timelines: what counts for a replica that starts, stops, crashes or cannot be measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scaler.model import (
    Direction,
    MetricType,
    Reading,
    ReplicaSample,
    ReplicaState,
    Rule,
    TriggerKind,
    TriggerPolicy,
)

CPU = TriggerPolicy("cpu", "cpu", 50.0, MetricType.UTILIZATION, kind=TriggerKind.RESOURCE, busy_start=True)
CORES = TriggerPolicy("cpu", "cpu", 0.5, kind=TriggerKind.RESOURCE, busy_start=True)
MEMORY = TriggerPolicy("memory", "memory", 50.0, MetricType.UTILIZATION, kind=TriggerKind.RESOURCE)
BACKLOG = TriggerPolicy("backlog", "redis", 5.0)
AT_ONCE = Direction()

STOPPING = ReplicaSample("stopping", ReplicaState.STOPPING, usage=9.0, limit=1.0, running_s=1000.0, settled_s=1000.0)
CREATED = ReplicaSample("created", ReplicaState.STARTING, usage=None, limit=1.0)
CRASHED = ReplicaSample("crashed", ReplicaState.CRASHED, usage=None, limit=1.0, running_s=1000.0, settled_s=10.0)


def serving(usage: float | None, **changes: Any) -> ReplicaSample:
    """Return the sample of a replica that has been ready for long, with a limit of one core."""
    return ReplicaSample(
        **{
            "replica": "serving",
            "state": ReplicaState.READY,
            "usage": usage,
            "limit": 1.0,
            "running_s": 1000.0,
            "settled_s": 990.0,
            "window_s": 15.0,
            **changes,
        }
    )


def starting(usage: float, **changes: Any) -> ReplicaSample:
    """Return that of a replica whose startup probe has not passed yet."""
    given: dict[str, Any] = {"replica": "starting", "state": ReplicaState.STARTING, "running_s": 20.0}
    return serving(usage, **{**given, "settled_s": 20.0, **changes})


def used(*samples: ReplicaSample) -> Reading:
    return Reading(samples=samples)


def test_the_average_follows_the_load_up_and_down(timeline: Any) -> None:
    t = timeline(replicas=2, triggers=(CPU,), min_replicas=1, scale_down=AT_ONCE)
    t.at(1, cpu=used(serving(0.5), serving(0.5))).expect(2)
    t.at(2, cpu=used(serving(1.0), serving(0.8))).expect(4)
    t.at(3, cpu=used(*[serving(0.1)] * 4)).expect(1)


def test_utilization_is_all_use_of_all_limits_and_the_value_says_percent(timeline: Any) -> None:
    t = timeline(replicas=2, triggers=(CPU,), min_replicas=1)
    moment = t.at(1, cpu=used(serving(0.5, limit=0.5), serving(0.5, limit=2.0)))
    moment.expect(2)
    assert moment.decision.triggers[0].value == 40
    assert not moment.decision.triggers[0].within_tolerance


def test_average_value_is_the_mean_in_cores(timeline: Any) -> None:
    t = timeline(replicas=2, triggers=(CORES,), min_replicas=1)
    moment = t.at(1, cpu=used(serving(0.75, limit=None), serving(1.25, limit=None)))
    moment.expect(4)
    assert moment.decision.triggers[0].value == 1.0


def test_a_deviation_within_the_tolerance_keeps_the_count(timeline: Any) -> None:
    t = timeline(replicas=2, triggers=(CPU,), min_replicas=1)
    moment = t.at(1, cpu=used(serving(0.55), serving(0.55)))
    moment.expect(2, rules=())
    assert moment.decision.triggers[0].within_tolerance


@pytest.mark.parametrize("trigger", [pytest.param(CPU, id="utilization"), pytest.param(CORES, id="average")])
def test_what_cannot_be_measured_counts_as_nothing_on_the_way_up(timeline: Any, trigger: TriggerPolicy) -> None:
    """Two at 100 % alone would want four; with a third one at 0 % it is 67 % of three."""
    t = timeline(replicas=3, triggers=(trigger,), min_replicas=1)
    t.at(1, cpu=used(serving(1.0), serving(1.0), serving(None))).expect(4)
    t.replicas = 3
    t.at(2, cpu=used(serving(1.0), CRASHED, CRASHED)).expect(3)


def test_what_cannot_be_measured_counts_as_all_it_may_use_on_the_way_down(timeline: Any) -> None:
    t = timeline(replicas=4, triggers=(CPU,), min_replicas=1, scale_down=AT_ONCE)
    t.at(1, cpu=used(serving(0.1), serving(0.1), serving(0.1), serving(None))).expect(3)
    t.at(2, cpu=used(serving(0.1), serving(None), serving(None))).expect(3)


def test_an_average_value_takes_the_target_for_what_cannot_be_measured_on_the_way_down(timeline: Any) -> None:
    t = timeline(replicas=2, triggers=(CORES,), min_replicas=1, scale_down=AT_ONCE)
    t.at(1, cpu=used(serving(0.0), serving(None))).expect(1)


def test_the_busy_start_of_new_replicas_starts_no_more_of_them(timeline: Any) -> None:
    """One at 100 % wants two; while the second starts, at 100 % as well, it counts as 0 %."""
    t = timeline(replicas=1, triggers=(CPU,), min_replicas=1)
    t.at(1, cpu=used(serving(1.0))).expect(2)
    t.at(1, 15, cpu=used(serving(1.0), starting(1.0))).expect(2)
    just_ready = serving(1.0, running_s=40.0, settled_s=14.0)
    t.at(1, 30, cpu=used(serving(1.0), just_ready)).expect(2)
    for_a_window = serving(1.0, running_s=41.0, settled_s=15.0)
    t.at(1, 31, cpu=used(serving(1.0), for_a_window)).expect(4)


def test_memory_has_no_busy_start(timeline: Any) -> None:
    t = timeline(replicas=2, triggers=(MEMORY,), min_replicas=1)
    t.at(1, memory=used(serving(1.0), starting(1.0))).expect(4)
    t.at(2, memory=used(serving(1.0), CREATED, serving(None), serving(None))).expect(4)


def test_after_the_initialization_only_what_was_never_ready_is_left_out(timeline: Any) -> None:
    never = serving(1.0, state=ReplicaState.NOT_READY, running_s=400.0, settled_s=400.0)
    no_more = serving(1.0, state=ReplicaState.NOT_READY, running_s=400.0, settled_s=300.0)
    t = timeline(replicas=2, triggers=(CPU,), min_replicas=1)
    t.at(1, cpu=used(serving(1.0), never)).expect(2)
    t.at(2, cpu=used(serving(1.0), no_more)).expect(4)


def test_what_is_stopping_counts_for_nothing(timeline: Any) -> None:
    t = timeline(replicas=1, triggers=(CPU,), min_replicas=1)
    t.at(1, cpu=used(serving(0.5), STOPPING)).expect(1, rules=())


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        pytest.param((CREATED, starting(1.0)), "the replicas are still starting", id="starting"),
        pytest.param((CRASHED,), "no replica could be measured yet", id="missing"),
        pytest.param((STOPPING,), "there is no replica to measure", id="stopping"),
        pytest.param((), "there is no replica to measure", id="none"),
        pytest.param((serving(0.1, limit=None),), "serving has no cpu limit", id="no limit"),
        pytest.param((replace(CRASHED, limit=None),), "no replica could be measured yet", id="limit not known yet"),
    ],
)
def test_without_an_average_the_count_is_held(timeline: Any, samples: tuple[ReplicaSample, ...], why: str) -> None:
    t = timeline(replicas=3, triggers=(CPU,), min_replicas=1, scale_down=AT_ONCE)
    moment = t.at(1, cpu=used(*samples))
    moment.expect(3, reason="unknown", rules=())
    (outcome,) = moment.decision.triggers
    assert why in (outcome.error or "")
    assert outcome.wants is None


def test_at_zero_there_is_no_sample_and_another_trigger_wakes(timeline: Any) -> None:
    t = timeline(triggers=(BACKLOG, CPU), cooldown_s=60)
    moment = t.at(0, backlog=0, cpu=used())
    moment.expect(0, reason="inactive", active=False)
    assert moment.decision.triggers[1].error is None
    t.at(1, backlog=12, cpu=used()).expect(3, reason="activated")
    t.at(2, backlog=12, cpu=used(*[starting(1.0)] * 3)).expect(3)


def test_full_use_does_not_keep_a_workload_from_zero(timeline: Any) -> None:
    t = timeline(replicas=2, triggers=(BACKLOG, CPU), cooldown_s=60)
    t.at(2, backlog=0, cpu=used(serving(1.0), serving(1.0))).expect(0, reason="deactivated")


def test_replicas_that_keep_crashing_do_not_keep_a_workload_from_zero(timeline: Any) -> None:
    t = timeline(replicas=2, triggers=(BACKLOG, CPU), cooldown_s=60)
    t.at(0, backlog=10, cpu=used(CRASHED, CRASHED)).expect(2, reason="triggers")
    t.at(0, 30, backlog=0, cpu=used(CRASHED, CRASHED)).expect(2, rules=(Rule.TRIGGER_UNKNOWN,))
    t.at(1, 1, backlog=0, cpu=used(CRASHED, CRASHED)).expect(0, reason="deactivated")


def test_an_engine_that_does_not_answer_holds_the_count(timeline: Any) -> None:
    t = timeline(replicas=2, triggers=(BACKLOG, CPU), cooldown_s=0)
    t.at(10, backlog=0, cpu=None).expect(2, reason="unknown")


def test_cpu_alone_starts_from_zero_and_stays_above(timeline: Any) -> None:
    t = timeline(triggers=(CPU,), cooldown_s=0, scale_down=AT_ONCE)
    t.at(0, cpu=used()).expect(1, reason="activated")
    t.at(0, 1, cpu=used(CREATED)).expect(1)
    t.at(10, cpu=used(serving(0.0))).expect(1, active=True)


def test_nothing_turns_around_because_of_what_is_not_known(timeline: Any) -> None:
    """One at 30 % of 50 wants fewer; three that are not known, at 100 % each, must not make that more."""
    t = timeline(replicas=4, triggers=(CPU,), min_replicas=1, scale_down=AT_ONCE)
    t.at(1, cpu=used(serving(0.3), *[serving(None)] * 3)).expect(4, rules=())
    t.at(2, cpu=used(serving(0.6), *[serving(None)] * 3)).expect(4, rules=())


def test_an_average_in_a_trace_stands_for_samples(timeline: Any) -> None:
    t = timeline(replicas=2, triggers=(CORES,), min_replicas=1)
    t.at(1, cpu=1.0).expect(4)

"""What is kept of the last hour: bounded, and with every burst in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from scaler.model import Decision, Reason, Replica, ReplicaState, Workload
from scaler.observability.history import DECISIONS, History
from scaler.observability.series import STEP_S, STEPS, UNKNOWN, Series, step_of

START = 1_000_000 * STEP_S


class HandClock:
    def __init__(self) -> None:
        self.at = float(START)

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def history(clock: HandClock) -> History:
    return History(clock)


def shown(series: Series, *, until: float) -> list[float | None]:
    """Return the values from the start until that moment."""
    return series.between(step_of(START), step_of(until))


def test_a_step_has_its_highest_value_and_the_next_one_what_came_last() -> None:
    series = Series(START)
    for at, value in ((1, 2), (2, 9), (3, 0)):
        series.put(START + at, value)
    assert shown(series, until=START + STEP_S) == [9, 0]


def test_a_value_holds_until_the_next_one() -> None:
    series = Series(START, 4)
    series.put(START + 3 * STEP_S, 7)
    assert shown(series, until=START + 5 * STEP_S) == [4, 4, 4, 7, 7, 7]


def test_what_is_unknown_has_no_value_but_in_the_step_in_which_it_was_known() -> None:
    series = Series(START)
    assert shown(series, until=START) == [None]
    series.put(START, 5)
    series.put(START + 1, UNKNOWN)
    series.put(START + 2 * STEP_S, 1)
    assert shown(series, until=START + 2 * STEP_S) == [5, None, 1]


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e300])
def test_what_no_chart_can_show_is_unknown(value: float) -> None:
    series = Series(START, value)
    assert shown(series, until=START) == [None]


def test_an_hour_is_kept_and_no_more() -> None:
    series = Series(START, 0)
    for step in range(3 * STEPS):
        series.put(START + step * STEP_S, step)
    end = step_of(START) + 3 * STEPS - 1
    assert series.between(end - STEPS + 1, end) == list(range(2 * STEPS, 3 * STEPS))
    assert series.between(end - STEPS, end - STEPS) == [None]
    assert len(series._values) == STEPS


def test_a_machine_that_slept_goes_on_with_the_last_value() -> None:
    series = Series(START, 3)
    series.put(START + 100 * STEPS * STEP_S, 8)
    assert len(series._values) == 1
    assert shown(series, until=START + 100 * STEPS * STEP_S)[-2:] == [None, 8]


def test_a_clock_that_goes_back_breaks_nothing() -> None:
    series = Series(START, 3)
    series.put(START - 10 * STEP_S, 8)
    assert shown(series, until=START) == [8]


def test_the_last_hour_of_a_workload_has_counts_and_values(
    history: History, clock: HandClock, workload: Workload, record: Callable
) -> None:
    record(history, workload)
    clock.at += STEP_S
    view = history.view("worker")
    assert view is not None
    assert view.first_at == START + 2 * STEP_S - STEPS * STEP_S
    assert [len(view.wanted), len(view.ready), len(view.triggers[0].values)] == [STEPS] * 3
    assert (view.wanted[-3:], view.ready[-3:]) == ([None, 10, 10], [None, 1, 1])
    assert (view.triggers[0].name, view.triggers[0].values[-1]) == ("redis-0", 80)
    assert history.view("nobody") is None
    assert history.decisions("nobody") is None


def test_decisions_are_kept_that_change_something_or_say_something_new(
    history: History, workload: Workload, record: Callable
) -> None:
    first = record(history, workload)
    (outcome,) = first.triggers
    same = replace(first, at=1001.0, current=10)
    failed = replace(same, at=1003.0, triggers=(replace(outcome, value=None, wants=None, error="no route"),))
    for decision in (
        same,
        replace(same, at=1002.0),
        replace(same, at=1002.5, reason=Reason.TRIGGERS),
        failed,
        replace(failed, at=1004.0),
        replace(same, at=1005.0, desired=4),
    ):
        history.decided(workload, decision, duration_s=0)
    found = history.decisions("worker")
    assert found is not None
    assert [each.at for each in found.decisions] == [1005.0, 1003.0, 1002.5, 1000.5]
    newest, unknown, _, oldest = found.decisions
    assert (newest.current, newest.desired) == (10, 4)
    assert unknown.triggers[0].error == "no route"
    assert oldest.because == "a trigger became active"
    assert [(limit.rule, limit.before, limit.after) for limit in oldest.limits] == [("maxReplicaCount", 16, 10)]


def test_so_many_decisions_are_kept_and_no_more(history: History, workload: Workload) -> None:
    history.workload_added(workload)
    for number in range(10 * DECISIONS):
        history.decided(
            workload, Decision(number, number, number + 1, active=True, reason=Reason.TRIGGERS), duration_s=0
        )
    found = history.decisions("worker")
    assert found is not None
    assert [each.desired for each in found.decisions] == list(range(10 * DECISIONS, 9 * DECISIONS, -1))


def test_an_edit_of_the_manifest_keeps_the_past_and_a_removal_does_not(
    history: History, workload: Workload, shop: Workload, record: Callable
) -> None:
    record(history, workload)
    edited = replace(workload, polling_interval_s=1.0, triggers=())
    history.workload_removed(workload)
    assert history.view("worker") is None
    history.workload_added(edited)
    view = history.view("worker")
    assert view is not None
    assert (view.wanted[-1], view.triggers) == (10, [])
    history.workload_removed(edited)
    history.workload_added(shop)
    history.workload_added(workload)
    assert history.view("worker").wanted[-1] is None
    assert history.decisions("worker").decisions == []


def test_what_is_told_of_a_workload_that_is_gone_is_not_kept(history: History, workload: Workload) -> None:
    history.decided(workload, Decision(1, 0, 1, active=True, reason=Reason.TRIGGERS), duration_s=0)
    history.observed(workload, (Replica("1", "worker--a-1", "worker", "a", ReplicaState.READY, 1.0),))
    assert history.view("worker") is None

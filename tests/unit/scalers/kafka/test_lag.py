"""The rules of counting, one by one; KEDA's recorded answers are compared in the conformance tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalers.kafka.lag import NO_OFFSET, Lag, LagRules, Offsets, Partition, committed, total_lag


def counted(rules: LagRules, *offsets: tuple[int, int]) -> Lag:
    return total_lag(rules, {Partition("jobs", n): Offsets(*it) for n, it in enumerate(offsets)}, {})


def test_nothing_to_count_is_nothing() -> None:
    for even in (False, True):
        assert counted(LagRules(10, even_distribution=even)) == Lag(0, 0)


@pytest.mark.parametrize(
    ("rules", "lag"),
    [
        (LagRules(10), 1),
        (LagRules(10, from_earliest=True), 8),
        (LagRules(10, nothing_when_uncommitted=True), 0),
        (LagRules(10, from_earliest=True, nothing_when_uncommitted=True), 0),
    ],
    ids=["latest", "earliest", "latest to zero", "earliest to zero"],
)
def test_a_partition_for_which_nothing_was_committed(rules: LagRules, lag: int) -> None:
    assert counted(rules, (NO_OFFSET, 8)) == Lag(lag, lag)


def test_the_limit_is_in_whole_replicas() -> None:
    assert counted(LagRules(10), (0, 29), (5, 5)).value == 29
    assert counted(LagRules(10), (0, 30), (5, 5)) == Lag(20, 30)
    assert counted(LagRules(10, limit_to_partitions_with_lag=True), (0, 30), (5, 5)) == Lag(10, 30)
    assert counted(LagRules(10, allow_idle_consumers=True), (0, 30), (5, 5)) == Lag(30, 30)


@pytest.mark.parametrize(("lag", "value"), [(1, 10), (11, 20), (21, 30), (31, 60), (61, 60)])
def test_even_distribution_takes_the_next_number_that_divides_the_partitions(lag: int, value: int) -> None:
    assert counted(LagRules(10, even_distribution=True), (0, lag), *[(0, 0)] * 5) == Lag(value, lag)


def test_what_a_group_does_not_move_on_from_counts_for_activity_only() -> None:
    rules = LagRules(10, exclude_persistent=True)
    stuck, moving = Partition("jobs", 0), Partition("jobs", 1)
    offsets = {stuck: Offsets(3, 9), moving: Offsets(4, 9)}
    previous = {stuck: 3, moving: 2}
    assert total_lag(rules, offsets, previous) == Lag(5, 11)
    assert committed(offsets) == {stuck: 3, moving: 4}


@given(st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, 2**62)), max_size=8), st.integers(1, 2**31))
def test_the_value_is_a_whole_number_within_the_limit_however_huge(
    pairs: list[tuple[int, int]], threshold: int
) -> None:
    lag = counted(LagRules(threshold), *((min(pair), max(pair)) for pair in pairs))
    assert 0 <= lag.value <= lag.with_persistent
    assert lag.value // threshold <= len(pairs)

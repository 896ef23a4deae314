"""Azure's rate: the requests of the past 15 seconds, divided by 15."""

from __future__ import annotations

import pytest

from scalers.http.arrivals import Arrivals


def rate(*totals: tuple[float, int]) -> float:
    arrivals = Arrivals()
    for at_s, total in totals:
        arrivals.add(at_s, total)
    return arrivals.per_second()


def test_nothing_known_is_no_rate() -> None:
    assert rate() == 0


def test_what_came_before_the_first_total_does_not_count() -> None:
    assert rate((100, 5000)) == 0


def test_a_young_count_is_divided_by_the_whole_window() -> None:
    assert rate((100, 0), (101, 30)) == pytest.approx(2)


def test_a_steady_stream_is_its_rate() -> None:
    assert rate(*((t, 4 * t) for t in range(100))) == pytest.approx(4)


def test_a_burst_is_forgotten_after_the_window() -> None:
    burst = [(0.0, 0), (1.0, 150)]
    assert rate(*burst, *((1.0 + t, 150) for t in range(1, 15))) == pytest.approx(10)
    assert rate(*burst, *((1.0 + t, 150) for t in range(1, 16))) == pytest.approx(0)


def test_where_the_window_begins_between_two_totals_requests_are_spread() -> None:
    assert rate((0, 0), (10, 100), (20, 100)) == pytest.approx(50 / 15)


def test_after_a_long_silence_only_the_window_s_share_counts() -> None:
    assert rate((0, 0), (60, 60)) == pytest.approx(1)


def test_a_repeated_or_earlier_moment_changes_nothing() -> None:
    assert rate((0, 0), (1, 15), (1, 99), (0.5, 3)) == pytest.approx(1)


def test_a_count_that_began_anew_is_no_negative_rate() -> None:
    assert rate((0, 1000), (1, 1100), (2, 7)) == 0
    assert rate((0, 1000), (1, 1100), (2, 7), (3, 22)) == pytest.approx(1)


def test_only_what_the_window_needs_is_kept() -> None:
    arrivals = Arrivals()
    for t in range(10_000):
        arrivals.add(t, t)
    assert len(arrivals._totals) <= 17

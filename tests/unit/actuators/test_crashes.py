"""The waits before restarts in place."""

from __future__ import annotations

from scaler.actuators.crashes import CrashBackoff, CrashHistory


def test_waits_double_up_to_the_maximum() -> None:
    backoff = CrashBackoff()
    assert [backoff.delay_s(ends) for ends in range(1, 9)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert backoff.delay_s(100_000) == 300


def test_one_end_counts_once_however_often_it_is_listed() -> None:
    history = CrashHistory()
    assert history.ended(1.0, 2.0, CrashBackoff())
    assert not history.ended(1.0, 2.0, CrashBackoff())
    assert history.ends_in_a_row == 1


def test_a_long_run_makes_the_next_end_a_first_one() -> None:
    history, backoff = CrashHistory(), CrashBackoff()
    history.ended(1.0, 2.0, backoff)
    history.ended(3.0, 602.0, backoff)
    assert history.ends_in_a_row == 2
    history.ended(700.0, 1300.0, backoff)
    assert history.ends_in_a_row == 1


def test_a_restart_is_counted_once_however_it_is_noticed() -> None:
    history = CrashHistory()
    history.began(1.0)
    assert history.ended(1.0, 2.0, CrashBackoff())
    history.restart_at = 3.0
    for _ in range(2):
        history.began(1.0)  # a listing that is older than the restart
        assert history.restarts == 0
    for _ in range(2):
        history.began(3.0)
        assert (history.restarts, history.restart_at) == (1, None)
    history.began(4.0)  # by hand
    assert history.restarts == 1

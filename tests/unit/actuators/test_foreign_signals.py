"""When an ended container may be started again."""

from scaler.actuators.docker.foreign_signals import ForeignSignals


def test_a_crash_may_be_mended_at_once() -> None:
    signals = ForeignSignals()
    signals.happened("a", "die", 100)
    assert signals.wait_s(100) == 0


def test_a_container_stopped_by_hand_waits_for_quiet() -> None:
    signals = ForeignSignals()
    signals.happened("a", "kill", 100)
    signals.happened("a", "die", 100.1)
    assert signals.wait_s(100.1) > 0
    assert signals.wait_s(102) == 0


def test_all_wait_while_one_that_was_signalled_has_not_ended() -> None:
    signals = ForeignSignals()
    for container in ("a", "b"):
        signals.happened(container, "kill", 100)
    signals.happened("a", "die", 100.1)
    assert signals.wait_s(109) > 0
    signals.happened("b", "die", 110)
    assert signals.wait_s(110) == 0


def test_one_that_outlives_its_signal_is_not_waited_for_forever() -> None:
    signals = ForeignSignals()
    signals.happened("a", "kill", 100)
    assert signals.wait_s(200) == 0


def test_our_own_signals_make_nobody_wait() -> None:
    signals = ForeignSignals()
    signals.sent("a")
    signals.happened("a", "kill", 100)
    signals.happened("a", "die", 100)
    assert signals.wait_s(100) == 0
    signals.happened("a", "start", 101)
    signals.happened("a", "kill", 102)
    assert signals.wait_s(102) > 0


def test_a_signal_is_ours_although_word_of_the_start_before_it_came_late() -> None:
    signals = ForeignSignals()
    signals.sent("a")
    signals.happened("a", "start", 100)
    signals.happened("a", "kill", 100)
    assert signals.wait_s(100) == 0
    assert signals.expected("a")

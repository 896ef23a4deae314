"""How long one list of a virtual host's queues answers questions, and when it is worth its cost."""

from __future__ import annotations

from scalers.rabbitmq.listing import Listing


def listing(*, took_s: float) -> Listing:
    made = Listing()
    made.take({"jobs": {"messages": 3}}, took_s=took_s, now=100.0)
    return made


def test_nothing_is_known_before_the_first_list() -> None:
    assert Listing().find("jobs", 0.0) is None


def test_a_quick_list_answers_for_a_quarter_of_a_second_and_a_slow_one_for_two() -> None:
    for took_s, age_s in ((0.001, 0.25), (0.2, 0.8), (5.0, 2.0)):
        found = listing(took_s=took_s)
        assert found.find("jobs", 100 + age_s) == {"messages": 3}
        assert not found.is_due(100 + age_s)
        assert found.is_due(100.01 + age_s)
        assert found.find("jobs", 100.01 + age_s) is None


def test_a_queue_that_the_list_does_not_have_is_asked_for() -> None:
    assert listing(took_s=1).find("new", 100) is None


def test_a_list_in_demand_answers_until_the_next_is_there_and_no_longer() -> None:
    found = listing(took_s=1)
    for _ in range(101):
        found.find("jobs", 101)
    assert found.find("jobs", 104) == {"messages": 3}
    assert found.find("jobs", 104.01) is None


def test_the_longer_a_list_takes_the_more_queues_are_asked_for_one_by_one() -> None:
    assert [listing(took_s=took_s).few for took_s in (0.001, 0.09, 5.0)] == [8, 30, 100]


def test_a_list_gets_the_time_that_it_needs() -> None:
    assert [listing(took_s=took_s).timeout_s for took_s in (0.1, 10.0)] == [20, 50]

"""A fetch session tells a broker only what changed, and begins anew when the broker gave it up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiokafka.protocol.fetch import FetchRequest_v7, FetchRequest_v11

from scalers.kafka.fetch_session import FetchSession, News
from scalers.kafka.lag import Partition

ONE, TWO = Partition("jobs", 0), Partition("jobs", 1)


@dataclass
class Answer:
    session_id: int
    error_code: int = 0
    topics: list[Any] = field(default_factory=list)


def told(session: FetchSession, positions: dict[Partition, int], version: Any = FetchRequest_v7) -> Any:
    request = session.request(positions).build(version)
    partitions = {
        Partition(topic, it[0]): it[-3] for topic, entries in request.topics for it in entries
    }  # number, [epoch,] position, log start, limit
    forgotten = [Partition(topic, number) for topic, numbers in request.forgotten_topics_data for number in numbers]
    return request.session_id, request.session_epoch, partitions, forgotten


def test_all_is_told_once_and_then_what_changes() -> None:
    session = FetchSession()
    assert told(session, {ONE: 5, TWO: 7}) == (0, 0, {ONE: 5, TWO: 7}, [])
    assert list(session.news(Answer(42, topics=[("jobs", [(1, 0, 9, -1, 0, [], None)])]))) == [News(TWO, 0, 9)]
    assert told(session, {ONE: 5, TWO: 9}) == (42, 1, {TWO: 9}, [])
    assert not list(session.news(Answer(42)))
    assert told(session, {ONE: 5, TWO: 9}) == (42, 2, {}, [])
    assert not list(session.news(Answer(42)))
    assert told(session, {ONE: 5}) == (42, 3, {}, [TWO])


def test_a_session_that_the_broker_gave_up_or_never_made_begins_anew() -> None:
    for answer in (Answer(0, error_code=70), Answer(42, error_code=71), Answer(0)):
        session = FetchSession()
        told(session, {ONE: 5})
        assert not list(session.news(answer))
        assert told(session, {ONE: 5}) == (0, 0, {ONE: 5}, [])


def test_the_newer_version_says_the_same() -> None:
    assert told(FetchSession(), {ONE: 5}, FetchRequest_v11) == (0, 0, {ONE: 5}, [])

"""What is known of topics is asked for again when it is missing, incomplete or proved wrong, and only then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scaler.ports.errors import SourceRejected, SourceUnavailable
from scalers.kafka.cluster import Cluster, Links
from scalers.kafka.lag import Partition
from scalers.kafka.offsets import OffsetReader, Question
from scalers.kafka.server import Server

JOBS = Partition("jobs", 0)


def answer(*leaders: int, code: int = 0) -> Any:
    partitions = [(0, number, leader) for number, leader in enumerate(leaders)]
    return SimpleNamespace(brokers=[(1, "kafka", 9092, None)], topics=[(code, "jobs", False, partitions)])


@pytest.fixture
async def cluster() -> Cluster:
    cluster = Cluster(Server((("kafka", 9092),)))
    assert cluster.unknown(["jobs"]) == {"jobs"}
    return cluster


async def test_a_topic_whose_leaders_are_known_is_not_asked_for_again_until_it_is_doubted(cluster: Cluster) -> None:
    cluster.learn(answer(1, 1))
    assert cluster.topic("jobs").leaders == {JOBS: 1, Partition("jobs", 1): 1}
    assert cluster.unknown(["jobs"]) == set()
    cluster.doubt(["jobs"])
    assert cluster.unknown(["jobs"]) == {"jobs"}
    # What was known holds until something else is.
    assert cluster.topic("jobs").leaders
    cluster.learn(answer(1))
    assert cluster.unknown(["jobs"]) == set()


@pytest.mark.parametrize("told", [answer(), answer(1, -1), answer(code=3)], ids=["empty", "leaderless", "missing"])
async def test_a_topic_that_is_incomplete_is_asked_for_again(cluster: Cluster, told: Any) -> None:
    cluster.learn(told)
    assert cluster.unknown(["jobs"]) == {"jobs"}


async def test_a_broker_or_topic_that_nobody_told_of_is_unavailable_and_a_missing_topic_rejected(
    cluster: Cluster,
) -> None:
    with pytest.raises(SourceUnavailable):
        cluster.broker(1)
    assert isinstance(cluster.topic("jobs").error, SourceUnavailable)
    cluster.learn(answer(code=3))
    assert cluster.broker(1) == ("kafka", 9092)
    assert isinstance(cluster.topic("jobs").error, SourceRejected)


@pytest.mark.parametrize("leaders", [(), (1, 1)], ids=["no partition", "one that came up meanwhile"])
async def test_partitions_that_are_unknown_never_count_as_empty(cluster: Cluster, leaders: tuple[int, ...]) -> None:
    cluster.learn(answer(*leaders))
    reader = OffsetReader(cluster, Links(cluster))
    question = Question("workers", frozenset({"jobs"}))
    found = reader._combined({JOBS: 3}, question.topics, {JOBS: 3})
    assert isinstance(found, SourceUnavailable)

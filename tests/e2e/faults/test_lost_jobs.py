"""A job that is lost, done twice or left by its worker is seen, in a real Redis."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from benchmarks.faults.jobs import Jobs
from scaler.testing.servers.redis import RedisServer

pytestmark = pytest.mark.services

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer.running() as server:
        yield server


@pytest.fixture
def jobs(redis: RedisServer) -> Jobs:
    """Three jobs, of which the first two are done."""
    with redis.client() as client:
        client.flushall()
        made = Jobs(redis)
        made.put(3)
        client.rpush("done", client.lpop("jobs"), client.lpop("jobs"))
    return made


def problems(jobs: Jobs, *replicas: str, taken: bool = False, within_s: float = PATIENCE_S) -> str:
    return "\n".join(jobs.problems(lambda: replicas, taken=taken, within_s=within_s))


def test_all_done(jobs: Jobs, redis: RedisServer) -> None:
    with redis.client() as client:
        client.rpush("done", client.lpop("jobs"))
    assert problems(jobs) == ""
    assert jobs.total == 3


def test_one_that_is_lost(jobs: Jobs, redis: RedisServer) -> None:
    with redis.client() as client:
        client.lpop("jobs")
    assert problems(jobs) == "jobs lost: ['2']"


def test_one_that_is_done_twice_and_one_that_nobody_put(jobs: Jobs, redis: RedisServer) -> None:
    with redis.client() as client:
        client.lpop("jobs")
        client.rpush("done", "2", "2", "4711")
    assert problems(jobs) == "jobs done twice: ['2']\njobs done again, or never put: ['4711']"


def test_one_that_is_not_done(jobs: Jobs) -> None:
    assert problems(jobs, within_s=0.1).startswith("jobs: ")


@pytest.mark.parametrize("taken", [False, True])
def test_one_that_its_worker_left(jobs: Jobs, redis: RedisServer, *, taken: bool) -> None:
    """It is put back, and told of unless workers were taken away on purpose."""

    def work() -> None:
        with redis.client() as client:
            client.blmove("jobs", "done", 60)

    with redis.client() as client:
        client.rpush("doing:jobs-a", client.lpop("jobs"))
    worker = threading.Thread(target=work)
    worker.start()
    said = problems(jobs, "jobs-b", taken=taken)
    worker.join()
    assert said == ("" if taken else "jobs of replicas that were ended before they had done them: ['2']")


def test_one_that_a_worker_has_now_is_left_to_it(jobs: Jobs, redis: RedisServer) -> None:
    with redis.client() as client:
        client.rpush("doing:jobs-a", client.lpop("jobs"))
    problems(jobs, "jobs-a", within_s=0.1)
    with redis.client() as client:
        assert client.lrange("doing:jobs-a", 0, -1) == [b"2"]

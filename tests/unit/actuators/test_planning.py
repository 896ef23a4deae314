"""Which replicas are started and stopped."""

from __future__ import annotations

import pytest

from scaler.actuators.planning import plan
from scaler.model import Replica, ReplicaState

READY, STARTING, CRASHED, STOPPING, DRAINING = (
    ReplicaState.READY,
    ReplicaState.STARTING,
    ReplicaState.CRASHED,
    ReplicaState.STOPPING,
    ReplicaState.DRAINING,
)


def replicas(*described: tuple[ReplicaState, str]) -> list[Replica]:
    return [Replica(str(index), f"r{index}", "w", revision, state) for index, (state, revision) in enumerate(described)]


@pytest.mark.parametrize(
    ("described", "count", "create", "stop"),
    [
        pytest.param([], 3, 3, "", id="from-nothing"),
        pytest.param([(READY, "b")] * 3, 1, 0, "21", id="youngest-first"),
        pytest.param([(STARTING, "b"), (READY, "b"), (READY, "b")], 2, 0, "0", id="not-ready-before-younger-ready"),
        pytest.param([(CRASHED, "b"), (READY, "b")], 2, 0, "", id="crashed-still-counts"),
        pytest.param([(STOPPING, "b"), (READY, "b")], 2, 1, "", id="stopping-no-longer-counts"),
        pytest.param([(READY, "a"), (READY, "a")], 2, 2, "", id="old-revision-stays-until-the-new-is-ready"),
        pytest.param([(READY, "a"), (READY, "a"), (READY, "b"), (STARTING, "b")], 2, 0, "1", id="one-for-one"),
        pytest.param([(CRASHED, "a"), (READY, "a"), (READY, "b"), (STARTING, "b")], 2, 0, "0", id="old-crashed-first"),
        pytest.param([(READY, "a"), (READY, "b")], 0, 0, "10", id="zero-stops-all"),
        pytest.param([(READY, "a")] * 3, 1, 1, "21", id="old-surplus-goes-at-once"),
    ],
)
def test_plan(described: list[tuple[ReplicaState, str]], count: int, create: int, stop: str) -> None:
    steps = plan(replicas(*described), "b", count)
    assert steps.create == create
    assert {replica.id for replica in steps.stop} == set(stop)


@pytest.mark.parametrize(
    ("described", "requests", "count", "stop"),
    [
        pytest.param([(READY, "b")] * 3, {"0": 1, "1": 2, "2": 3}, 1, "01", id="least-busy-before-youngest"),
        pytest.param([(READY, "b")] * 3, {"0": 1, "1": 1, "2": 1}, 2, "2", id="equally-busy-youngest-first"),
        pytest.param([(STARTING, "b"), (READY, "b")], {"0": 9}, 1, "0", id="not-ready-before-idle"),
        pytest.param([(READY, "a"), (READY, "a"), (READY, "b")], {"1": 1}, 2, "0", id="least-busy-of-the-old-revision"),
    ],
)
def test_the_least_busy_go_first(
    described: list[tuple[ReplicaState, str]], requests: dict[str, int], count: int, stop: str
) -> None:
    steps = plan(replicas(*described), "b", count, requests)
    assert [replica.id for replica in steps.stop] == list(stop)


@pytest.mark.parametrize(
    ("described", "count", "create", "called"),
    [
        pytest.param([(DRAINING, "b"), (DRAINING, "b")], 1, 0, "1", id="the-busiest"),
        pytest.param([(DRAINING, "b"), (DRAINING, "b")], 3, 1, "10", id="before-any-is-created"),
        pytest.param([(DRAINING, "b"), (READY, "b")], 1, 0, "", id="not-when-enough-stay"),
        pytest.param([(STOPPING, "b")], 1, 1, "", id="not-what-was-told-to-stop"),
        pytest.param([(DRAINING, "a")], 1, 1, "0", id="an-old-one-until-the-new-is-ready"),
        pytest.param([(DRAINING, "a"), (READY, "b")], 1, 0, "", id="an-old-one-not-after-that"),
        pytest.param([(DRAINING, "a"), (READY, "b")], 0, 0, "", id="none-for-zero"),
    ],
)
def test_draining_ones_are_called_back(
    described: list[tuple[ReplicaState, str]], count: int, create: int, called: str
) -> None:
    steps = plan(replicas(*described), "b", count, {"1": 5})
    assert steps.create == create
    assert [replica.id for replica in steps.call_back] == list(called)

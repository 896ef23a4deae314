"""Which replicas are started and stopped."""

from __future__ import annotations

import pytest

from scaler.actuators.planning import plan
from scaler.model import Replica, ReplicaState

READY, STARTING, CRASHED, STOPPING = (
    ReplicaState.READY,
    ReplicaState.STARTING,
    ReplicaState.CRASHED,
    ReplicaState.STOPPING,
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

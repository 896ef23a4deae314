"""Which containers of a service are started, made, stopped, kept and removed."""

from __future__ import annotations

import pytest

from scaler.actuators.compose.containers import ServiceContainer, ServiceName
from scaler.actuators.compose.planning import Plan, Standing, plan
from scaler.model import ReplicaState

READY, STARTING, CRASHED, STOPPING = (
    ReplicaState.READY,
    ReplicaState.STARTING,
    ReplicaState.CRASHED,
    ReplicaState.STOPPING,
)
NEW, OLD = "new", "old"


def standing(number: int, state: ReplicaState | None = READY, config_hash: str = NEW) -> Standing:
    container = ServiceContainer(
        id=f"id{number}",
        name=f"shop_worker_{number}",
        service=ServiceName("shop", "worker"),
        number=number,
        created_at=float(number),
        state="exited" if state in {None, CRASHED} else "running",
        health="",
        config_hash=config_hash,
        started_at=None,
        restarts=0,
        detail="",
        inspected={},
    )
    return Standing(container, state)


def steps(*standings: Standing, count: int) -> dict[str, object]:
    newest = [each.container for each in standings if each.container.config_hash == NEW]
    definition = max(newest, key=lambda each: each.number)
    found: Plan = plan(standings, definition, count)
    shown: dict[str, object] = {
        "start": [each.number for each in found.start],
        "create": found.create,
        "stop": [each.number for each in found.stop],
        "park": found.park.number if found.park else None,
        "remove": [each.number for each in found.remove],
    }
    return {key: value for key, value in shown.items() if value not in ([], 0, None)}


def test_nothing_to_do() -> None:
    assert steps(standing(1), standing(2), count=2) == {}
    assert steps(standing(1, None), count=0) == {}


def test_up_from_zero_starts_the_kept_container_first() -> None:
    assert steps(standing(1, None), count=3) == {"start": [1], "create": 2}


def test_the_highest_numbers_go_first() -> None:
    assert steps(*(standing(number) for number in (1, 2, 3, 10)), count=2) == {"stop": [10, 3]}


def test_what_is_not_ready_goes_before_the_highest_number_and_an_old_definition_before_both() -> None:
    assert steps(standing(1, STARTING), standing(2), standing(3), count=2) == {"stop": [1]}
    assert steps(standing(1, config_hash=OLD), standing(2), standing(3), count=2) == {"stop": [1]}
    assert steps(standing(1), standing(2, CRASHED), standing(3), count=2) == {"stop": [2]}


def test_to_zero_the_lowest_number_is_kept() -> None:
    assert steps(standing(2), standing(1), standing(3), count=0) == {"stop": [3, 2], "park": 1}


def test_to_zero_a_container_of_the_newest_definition_is_kept() -> None:
    assert steps(standing(1, config_hash=OLD), standing(2), standing(3), count=0) == {"stop": [1, 3], "park": 2}
    assert steps(standing(1, config_hash=OLD), standing(2, None), count=0) == {"stop": [1]}


def test_the_newest_definition_is_kept_although_old_replicas_serve() -> None:
    assert steps(standing(1, config_hash=OLD), standing(2, None), count=1) == {}


def test_stopped_containers_that_are_of_no_use_go() -> None:
    assert steps(standing(1), standing(2, None), standing(3, None), count=1) == {"remove": [2, 3]}
    assert steps(standing(1, None), standing(2, None), count=0) == {"remove": [2]}
    assert steps(standing(1, None, OLD), standing(2, None), count=1) == {"start": [2], "remove": [1]}


def test_replicas_on_their_way_out_do_not_count() -> None:
    assert steps(standing(1, STOPPING), standing(2), count=2) == {"create": 1}
    assert steps(standing(1, STOPPING), standing(2, STOPPING), count=0) == {}


def test_crashed_replicas_count_until_zero() -> None:
    assert steps(standing(1, CRASHED), standing(2), count=2) == {}
    assert steps(standing(1, CRASHED), count=0) == {"park": 1}


@pytest.mark.parametrize("count", range(5))
def test_there_is_always_a_container_of_the_newest_definition_left(count: int) -> None:
    """Over every mixture of three containers."""
    choices = [(state, made) for state in (READY, CRASHED, None) for made in (NEW, OLD)]
    for one in choices:
        for two in choices:
            standings = [standing(1, *one), standing(2, *two), standing(3, READY)]
            found = plan(standings, standings[2].container, count)
            gone = {each.id for each in (*found.stop, *found.remove)}
            left = [each.container for each in standings if each.container.id not in gone]
            assert found.create or any(each.config_hash == NEW for each in left)
            present = [each for each in standings if each.state and each.container.id not in gone]
            parked = found.park is not None and found.park in [each.container for each in present]
            assert len(present) - parked + len(found.start) + found.create == count

"""In which projects somebody else is at work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from scaler.actuators.compose.containers import ONE_OFF, ServiceName
from scaler.actuators.compose.occupation import Occupation
from scaler.testing import virtual_time

WORKER = ServiceName("shop", "worker")
Happened = Callable[[Occupation], None]


def event(action: str, container_id: str = "a", *, signalled: bool = False, **attributes: str) -> Happened:
    return lambda occupation: occupation.happened("shop", container_id, action, attributes, signalled=signalled)


def made_and_removed(occupation: Occupation) -> None:
    event("create", "b", name="shop_worker_2")(occupation)
    event("destroy", "b")(occupation)


@pytest.mark.parametrize("action", ["create", "rename", "kill", "destroy"])
async def test_a_step_of_somebody_else_occupies_its_project_only(action: str) -> None:
    occupation = Occupation(1000.0, pytest.fail)
    event(action, name="shop_worker_2")(occupation)
    assert occupation.holds("shop")
    assert not occupation.holds("other")


async def test_it_is_over_when_it_was_quiet() -> None:
    occupation = Occupation(0.0, pytest.fail)
    event("create")(occupation)
    assert not occupation.holds("shop")


@pytest.mark.parametrize(
    "happened",
    [
        pytest.param(event("die"), id="an end"),
        pytest.param(event("start"), id="a restart by policy"),
        pytest.param(event("kill", signalled=True), id="our stop"),
        pytest.param(event("destroy", signalled=True), id="removal after our stop"),
        pytest.param(event("create", "b", name="shop_worker_2"), id="our container"),
        pytest.param(event("destroy", "left"), id="our removal"),
        pytest.param(made_and_removed, id="our container that could not be connected"),
        pytest.param(
            lambda occupation: occupation.happened("shop", "b", "create", {ONE_OFF: "True"}, signalled=False),
            id="docker compose run",
        ),
    ],
)
async def test_nobody_else_did_this(happened: Happened) -> None:
    occupation = Occupation(1000.0, pytest.fail)
    occupation.announce("shop_worker_2")
    occupation.announce("left")
    happened(occupation)
    assert not occupation.holds("shop")


async def test_what_was_announced_is_ours_once() -> None:
    occupation = Occupation(1000.0, pytest.fail)
    occupation.announce("shop_worker_2")
    event("create", "b", name="shop_worker_2")(occupation)
    event("create", "c", name="shop_worker_2")(occupation)
    assert occupation.holds("shop")


async def test_what_was_announced_may_not_happen() -> None:
    occupation = Occupation(1000.0, pytest.fail)
    occupation.announce("shop_worker_2")
    occupation.withdraw("shop_worker_2")
    event("create", "b", name="shop_worker_2")(occupation)
    assert occupation.holds("shop")


@pytest.mark.parametrize("action", ["kill", "rename", "destroy"])
async def test_what_we_made_and_started_is_anybody_s_to_stop_and_remove(action: str) -> None:
    occupation = Occupation(1000.0, pytest.fail)
    occupation.announce("shop_worker_2")
    event("create", "b", name="shop_worker_2")(occupation)
    occupation.announce("b")
    event("start", "b")(occupation)
    assert not occupation.holds("shop")
    event(action, "b")(occupation)
    assert occupation.holds("shop")


def test_what_was_announced_long_ago_is_not_waited_for_any_more() -> None:
    """Its call failed, or its event was missed."""
    occupation = Occupation(1000.0, pytest.fail)

    async def later() -> None:
        occupation.announce("shop_worker_2")
        await asyncio.sleep(3600.0)
        event("create", "b", name="shop_worker_2")(occupation)
        assert occupation.holds("shop")

    virtual_time.run(later())


async def test_a_service_is_reported_once_when_its_project_is_free() -> None:
    freed: list[ServiceName] = []
    occupation = Occupation(0.0, freed.append)
    event("create")(occupation)
    occupation.report_when_free(WORKER)
    occupation.report_when_free(WORKER)
    assert freed == []
    await asyncio.sleep(0.05)
    assert freed == [WORKER]


async def test_nothing_is_reported_after_the_end() -> None:
    occupation = Occupation(0.0, pytest.fail)
    occupation.report_when_free(WORKER)
    occupation.close()
    await asyncio.sleep(0.05)

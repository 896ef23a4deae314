"""Keyspace notifications: used where they are on, never switched on, and done without where they are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest

from scaler.engine.connections import SharedConnections
from scaler.testing.driving import DEADLINE_S, Wakeups, read
from scaler.testing.leaks import no_leaks, until
from scaler.testing.servers.redis import RedisServer
from scalers.redis.lists import RedisListScaler
from scalers.redis.streams import RedisStreamsScaler

pytestmark = pytest.mark.services

SECRET = "correct-horse"  # noqa: S105 - of a server for one test


@asynccontextmanager
async def opened(scaler: Any = RedisListScaler, **parameters: str) -> AsyncIterator[Any]:
    config = scaler.Config.model_validate(parameters)
    async with no_leaks(), SharedConnections() as connections, scaler.open(config, connections) as it:
        yield it


@contextmanager
def serving(setting: str, *users: str, **options: Any) -> Iterator[tuple[RedisServer, Any]]:
    """Start a server, with a producer that is connected before a test looks for leaks."""
    with (
        RedisServer.running(notifications=setting, users=users) as server,
        server.client(decode_responses=True, **options) as producer,
    ):
        producer.ping()
        yield server, producer


async def ends(scaler: Any) -> None:
    async with asyncio.timeout(DEADLINE_S):
        async for _ in scaler.wakeups():
            pass


@pytest.mark.parametrize("setting", ["", "Ex", "EA", "Kt"], ids=["off", "keyevents", "all but keyspace", "streams"])
async def test_waiting_ends_where_the_server_does_not_notify_of_lists(setting: str) -> None:
    with serving(setting) as (server, producer):
        before = producer.config_get("*")
        async with opened(address=server.address, listName="jobs") as scaler:
            await ends(scaler)
            await read(scaler)
        assert producer.config_get("*") == before


@pytest.mark.parametrize("setting", ["Kl", "KA", "AKE"])
async def test_an_item_wakes_and_taking_it_does_not(setting: str) -> None:
    with serving(setting) as (server, producer):
        async with opened(address=server.address, listName="jobs") as scaler, Wakeups(scaler) as wakeups:
            # Once when the subscription stands: something may have come before it did.
            await until(lambda: wakeups.count > 0)
            await wakeups.settle()
            assert wakeups.count == 1
            producer.rpush("jobs", 1, 2)
            await until(lambda: wakeups.count == 2)
            producer.rpush("others", 1)
            producer.lpop("jobs")
            await wakeups.settle()
            assert wakeups.count == 2


async def test_an_entry_wakes_a_stream_in_its_own_database() -> None:
    with serving("Kt", db=2) as (server, producer), server.client() as elsewhere:
        elsewhere.ping()
        async with (
            opened(RedisStreamsScaler, address=server.address, stream="jobs", databaseIndex="2") as scaler,
            Wakeups(scaler) as wakeups,
        ):
            await until(lambda: wakeups.count == 1)
            elsewhere.xadd("jobs", {"n": 1})
            await wakeups.settle()
            assert wakeups.count == 1
            producer.xadd("jobs", {"n": 1})
            await until(lambda: wakeups.count == 2)


async def test_a_user_who_may_not_ask_for_the_setting_still_gets_wakeups() -> None:
    rules = ["default on nopass ~* &* +@all", f"reader on >{SECRET} ~jobs &__keyspace@0__:jobs +llen +subscribe"]
    with serving("KA", *rules) as (server, producer):
        async with (
            opened(address=server.address, listName="jobs", username="reader", password=SECRET) as scaler,
            Wakeups(scaler) as wakeups,
        ):
            await until(lambda: wakeups.count == 1)
            producer.rpush("jobs", 1)
            await until(lambda: wakeups.count == 2)


async def test_waiting_ends_for_a_user_who_may_not_subscribe_and_goes_on_for_who_may() -> None:
    rules = [
        "default on nopass ~* &* +@all",
        f"reader on >{SECRET} ~* resetchannels &__keyspace@0__:jobs +llen +subscribe +unsubscribe",
    ]
    with serving("KA", *rules) as (server, producer):
        parameters = {"address": server.address, "username": "reader", "password": SECRET}
        config, forbidden = (
            RedisListScaler.Config.model_validate({**parameters, "listName": name}) for name in ("jobs", "others")
        )
        async with (
            no_leaks(),
            SharedConnections() as connections,
            RedisListScaler.open(config, connections) as scaler,
            RedisListScaler.open(forbidden, connections) as other,
            Wakeups(scaler) as wakeups,
        ):
            await ends(other)
            await read(other)
            await until(lambda: wakeups.count == 1)
            producer.rpush("jobs", 1)
            await until(lambda: wakeups.count == 2)


async def test_all_triggers_of_a_server_share_one_subscription() -> None:
    with serving("KA") as (server, producer):
        async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
            everyone = []
            for n in range(100):
                config = RedisListScaler.Config.model_validate({"address": server.address, "listName": f"jobs-{n}"})
                scaler = await stack.enter_async_context(RedisListScaler.open(config, connections))
                everyone.append(await stack.enter_async_context(Wakeups(scaler)))
            await until(lambda: all(wakeups.count == 1 for wakeups in everyone))
            assert len(producer.client_list(_type="pubsub")) == 1
            producer.rpush("jobs-42", 1)
            await until(lambda: everyone[42].count == 2)
            assert sum(wakeups.count for wakeups in everyone) == 101

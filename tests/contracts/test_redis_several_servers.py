"""The scalers of Redis Cluster and Sentinel keep their promises against a real cluster and real sentinels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from redis import Redis

from scaler.ports.errors import SourceError
from scaler.testing.scaler_contract import PushScalerContract
from scaler.testing.servers.redis_cluster import RedisCluster
from scaler.testing.servers.redis_sentinel import MASTER, SentinelSet
from scalers.redis.cluster import RedisClusterListScaler, RedisClusterStreamsScaler
from scalers.redis.sentinel import RedisSentinelListScaler, RedisSentinelStreamsScaler

PASSWORD = "open-sesame"  # noqa: S105 - of servers for these tests
SENTINEL_PASSWORD = "open-barley"  # noqa: S105 - the same
KEY = "jobs"
GROUP = "workers"
SCHEMAS = Path(__file__).with_name("schemas")

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster.running(password=PASSWORD, notifications="KA") as running:
        yield running


@pytest.fixture(scope="module")
def sentinel_set() -> Iterator[SentinelSet]:
    with SentinelSet.running(password=PASSWORD, sentinel_password=SENTINEL_PASSWORD, notifications="KA") as running:
        yield running


class SeveralServersContract(PushScalerContract):
    servers: RedisCluster | SentinelSet
    key_parameter: ClassVar[str]
    missing_is: ClassVar[float | type[SourceError]] = 0.0

    @pytest.fixture(autouse=True)
    def _servers(self, request: pytest.FixtureRequest) -> Iterator[None]:
        self.servers = self.running(request)
        with self.client() as client:
            self.fill(client, 0)
        yield
        # One that a failed test left stopped is not to fail the next.
        self.servers.start()

    def running(self, request: pytest.FixtureRequest) -> RedisCluster | SentinelSet:
        raise NotImplementedError

    def client(self) -> Redis:
        return self.servers.producer(KEY)

    def fill(self, client: Redis, items: int) -> None:
        raise NotImplementedError

    def count(self, client: Redis) -> int:
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        return {"addresses": self.servers.addresses, "password": PASSWORD, self.key_parameter: KEY}

    def missing(self) -> dict[str, Any]:
        return {**self.parameters(), self.key_parameter: "other"}

    def wrong_credentials(self) -> dict[str, Any]:
        return {**self.parameters(), "password": "close-sesame"}

    async def set_backlog(self, items: int) -> None:
        with self.client() as client:
            self.fill(client, items)

    async def backlog(self) -> int:
        with self.client() as client:
            return self.count(client)

    async def break_source(self) -> None:
        self.servers.stop()

    async def restore_source(self) -> None:
        self.servers.start()

    async def freeze_source(self) -> None:
        self.servers.freeze()

    async def thaw_source(self) -> None:
        self.servers.thaw()


class OfCluster(SeveralServersContract):
    def running(self, request: pytest.FixtureRequest) -> RedisCluster:
        cluster: RedisCluster = request.getfixturevalue("cluster")
        return cluster


class OfSentinel(SeveralServersContract):
    def running(self, request: pytest.FixtureRequest) -> SentinelSet:
        sentinel_set: SentinelSet = request.getfixturevalue("sentinel_set")
        return sentinel_set

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "sentinelMaster": MASTER, "sentinelPassword": SENTINEL_PASSWORD}


class Lists(SeveralServersContract):
    activation_parameter = "activationListLength"
    key_parameter = "listName"

    def fill(self, client: Redis, items: int) -> None:
        with client.pipeline() as pipeline:
            pipeline.delete(KEY)
            for number in range(items):
                pipeline.rpush(KEY, number)
            pipeline.execute()

    def count(self, client: Redis) -> int:
        return client.llen(KEY)


class Streams(SeveralServersContract):
    activation_parameter = "activationLagCount"
    key_parameter = "stream"

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "consumerGroup": GROUP, "lagCount": "5"}

    def fill(self, client: Redis, items: int) -> None:
        with client.pipeline() as pipeline:
            pipeline.delete(KEY)
            pipeline.xgroup_create(KEY, GROUP, id="0", mkstream=True)
            for number in range(items):
                pipeline.xadd(KEY, {"number": number})
            pipeline.execute()

    def count(self, client: Redis) -> int:
        lag: int = client.xinfo_groups(KEY)[0]["lag"]
        return lag


class TestClusterList(OfCluster, Lists):
    scaler = RedisClusterListScaler
    schema = SCHEMAS / "redis-cluster.json"


class TestClusterStream(OfCluster, Streams):
    scaler = RedisClusterStreamsScaler
    schema = SCHEMAS / "redis-cluster-streams.json"


class TestSentinelList(OfSentinel, Lists):
    scaler = RedisSentinelListScaler
    schema = SCHEMAS / "redis-sentinel.json"


class TestSentinelStream(OfSentinel, Streams):
    scaler = RedisSentinelStreamsScaler
    schema = SCHEMAS / "redis-sentinel-streams.json"

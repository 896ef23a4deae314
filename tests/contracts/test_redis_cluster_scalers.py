"""The Redis Cluster scalers keep their promises against a real cluster of three masters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from redis import Redis

from scaler.ports.errors import SourceError
from scaler.testing.scaler_contract import PushScalerContract
from scaler.testing.servers.redis_cluster import RedisCluster
from scalers.redis.lists import RedisClusterListScaler
from scalers.redis.streams import RedisClusterStreamsScaler

PASSWORD = "open-sesame"  # noqa: S105 - of a cluster for these tests
KEY = "jobs"
GROUP = "workers"

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[RedisCluster]:
    with RedisCluster.running(password=PASSWORD, notifications="KA") as cluster:
        yield cluster


class ClusterContract(PushScalerContract):
    key_parameter: ClassVar[str]
    missing_is: ClassVar[float | type[SourceError]] = 0.0

    @pytest.fixture(autouse=True)
    def _cluster(self, shared_cluster: RedisCluster) -> Iterator[None]:
        self.cluster = shared_cluster
        with self.client() as client:
            self.fill(client, 0)
        yield
        # One that a failed test left stopped is not to fail the next.
        self.cluster.start()

    def client(self) -> Redis:
        return self.cluster.producer(KEY)

    def fill(self, client: Redis, items: int) -> None:
        raise NotImplementedError

    def count(self, client: Redis) -> int:
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        return {"addresses": self.cluster.addresses, "password": PASSWORD, self.key_parameter: KEY}

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
        self.cluster.stop()

    async def restore_source(self) -> None:
        self.cluster.start()

    async def freeze_source(self) -> None:
        for node in self.cluster.nodes:
            node.freeze()

    async def thaw_source(self) -> None:
        for node in self.cluster.nodes:
            node.thaw()


class TestClusterList(ClusterContract):
    scaler = RedisClusterListScaler
    schema = Path(__file__).with_name("schemas") / "redis-cluster.json"
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


class TestClusterStreamLag(ClusterContract):
    scaler = RedisClusterStreamsScaler
    schema = Path(__file__).with_name("schemas") / "redis-cluster-streams.json"
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

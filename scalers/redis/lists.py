"""The triggers `redis`, `redis-cluster` and `redis-sentinel`: how many items a list, set, sorted set or hash holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self, TypeVar

from pydantic import Field

from scaler.model import Reading
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceRejected
from scaler.ports.parameters import Integer, PositiveInteger
from scaler.ports.scaler import PushScaler
from scalers.redis.config import ClusterConfig, SentinelConfig, ServerConfig, SourceConfig
from scalers.redis.errors import WrongType
from scalers.redis.sharing import Client, borrow

_COUNT_BY_TYPE = {"list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN"}


class ListConfig(SourceConfig):
    """What is counted, wherever it is."""

    list_name: str = Field(validation_alias="listName", description="key of the list, set, sorted set or hash")
    list_length: PositiveInteger = Field(5, validation_alias="listLength", description="items that one replica carries")
    activation_list_length: Integer = Field(
        0, validation_alias="activationListLength", description="active above this number of items"
    )

    def target(self) -> float:
        """Return the items that one replica carries."""
        return self.list_length

    def activation(self) -> float:
        """Return the number of items above which the trigger is active."""
        return self.activation_list_length


class RedisListConfig(ListConfig, ServerConfig):
    """Parameters of the `redis` trigger."""


class RedisClusterListConfig(ListConfig, ClusterConfig):
    """Parameters of the `redis-cluster` trigger."""


class RedisSentinelListConfig(ListConfig, SentinelConfig):
    """Parameters of the `redis-sentinel` trigger."""


L = TypeVar("L", bound=ListConfig)


class ListScaler(PushScaler[L]):
    """Counts the items of one key, wherever it is."""

    def __init__(self, config: L, client: Client) -> None:
        self._key = config.list_name
        self._client = client
        # A key rarely changes its type, so what counted it last is asked first: one command a read, and an ACL
        # needs no more than that.
        self._count = "LLEN"

    @classmethod
    @asynccontextmanager
    async def open(cls, config: L, connections: Connections) -> AsyncIterator[Self]:
        """Borrow the source's client."""
        async with borrow(config.source(), connections) as client:
            yield cls(config, client)

    async def read(self) -> Reading:
        """Count the items; a key that does not exist has none."""
        try:
            return Reading(value=float(await self._client.submit(self._count, self._key)))
        except WrongType:
            self._count = await self._count_command()
        return Reading(value=float(await self._client.submit(self._count, self._key)))

    async def _count_command(self) -> str:
        type_ = (await self._client.submit("TYPE", self._key)).decode()
        # A key that is gone by now may come back as anything: nothing is learned.
        if type_ == "none":
            return self._count
        if type_ not in _COUNT_BY_TYPE:
            raise SourceRejected(
                f"the key {self._key!r} is a {type_}; the trigger counts {', '.join(_COUNT_BY_TYPE)} "
                "(for streams there is redis-streams)"
            )
        return _COUNT_BY_TYPE[type_]

    def wakeups(self) -> AsyncIterator[None]:
        """Yield when items come, where the server's keyspace notifications are on for its kind of key."""
        return self._client.additions(self._key, "lszh")


class RedisListScaler(ListScaler[RedisListConfig]):
    """Items in a Redis list, set, sorted set or hash."""

    type = "redis"
    Config = RedisListConfig


class RedisClusterListScaler(ListScaler[RedisClusterListConfig]):
    """Items in a list, set, sorted set or hash of a Redis Cluster."""

    type = "redis-cluster"
    Config = RedisClusterListConfig


class RedisSentinelListScaler(ListScaler[RedisSentinelListConfig]):
    """Items in a list, set, sorted set or hash of a Redis master that sentinels watch over."""

    type = "redis-sentinel"
    Config = RedisSentinelListConfig

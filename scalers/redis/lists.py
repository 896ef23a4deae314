"""The `redis` trigger: how many items a list, set, sorted set or hash holds, on one server or several."""

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
from scalers.redis.config import ServerConfig, SourceConfig
from scalers.redis.errors import WrongType, count_of, understood
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
            reply = await self._client.submit(self._count, self._key)
        except WrongType:
            self._count = await self._count_command()
            reply = await self._client.submit(self._count, self._key)
        return Reading(value=count_of(reply, self._key))

    async def _count_command(self) -> str:
        reply = await self._client.submit("TYPE", self._key)
        with understood(f"the key {self._key!r}"):
            type_ = reply.decode()
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
    """Items in a Redis list, set, sorted set or hash.

    Reads:
        The number of items of the key `listName`; one replica carries `listLength` (5) of them.

        | the key is | value |
        |---|---|
        | missing | 0 |
        | a list | `LLEN` |
        | a set | `SCARD` |
        | a sorted set | `ZCARD` |
        | a hash | `HLEN` |
        | anything else | an error that names its type |

        One command a read. On a list the user needs no more than `+llen ~KEY`; on another kind of key `+llen +type`
        and its command.

    Active:
        Above `activationListLength` (0) items.

    Push:
        With keyspace notifications on at the server, a new item wakes the workload at once: `notify-keyspace-events`
        with `K` and the kinds of keys in use, `l` lists, `s` sets, `z` sorted sets, `h` hashes (or `A` for all).
        That setting is never changed. It is asked for where it may be (`CONFIG GET`), and subscribed to where it may
        not be asked for. Where push is off or not allowed, polling goes on alone.

    Errors:
        | error | meaning | what to do |
        |---|---|---|
        | connection refused, time-out, `LOADING`, `BUSY`, `MASTERDOWN`, `OOM` | unavailable | it passes by itself |
        | `WRONGPASS`, `NOAUTH`, `NOPERM` | rejected | mend `username`, `password`, or what the user may do |
        | the server's certificate is not trusted | rejected | mend `ca`, or the names in the certificate |
        | TLS failed | rejected | no TLS there, or it asks for a certificate: mend the port; give `cert` and `key` |
        | the key is a string, a stream, ... | rejected | count another key; for streams there is `redis-streams` |
        | the key lives on another node of a Redis Cluster | rejected | use `redis-cluster` |

    Differences from KEDA:
        | KEDA | here |
        |---|---|
        | unknown metadata is ignored | it is refused by name |
        | a target of 0 or below is accepted | it is refused, since values are divided by it |
        | an address without a port is accepted, and fails later | refused |
        | of several addresses all but the first are left out | refused: they are for clusters and sentinels |
        | bad certificates fail when connecting; without TLS they are ignored | refused at once |
        | a client per trigger | one connection per server, database and user, and one pipeline for all that are due |
        | a Lua script finds the kind of key | plain commands: works for users without `@scripting` |
    """

    type = "redis"
    Config = RedisListConfig

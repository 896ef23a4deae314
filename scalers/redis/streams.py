"""The `redis-streams` trigger: what a stream holds for whom, on one server or several."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

from pydantic import Field

from scaler.model import Reading
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceRejected
from scaler.ports.parameters import Integer, NotNegativeInteger, PositiveInteger
from scaler.ports.scaler import PushScaler
from scalers.redis.config import ServerConfig, SourceConfig
from scalers.redis.errors import NoSuchKey, count_of, understood
from scalers.redis.sharing import Client, borrow

# Stands for a lag of which the server does not know.
_UNTOLD = object()


class StreamConfig(SourceConfig):
    """What is counted, wherever it is."""

    stream: str = Field(validation_alias="stream", description="key of the stream")
    consumer_group: str | None = Field(
        None, validation_alias="consumerGroup", description="whose pending entries or lag count"
    )
    pending_entries_count: PositiveInteger = Field(
        5, validation_alias="pendingEntriesCount", description="pending entries that one replica carries"
    )
    stream_length: PositiveInteger = Field(
        5, validation_alias="streamLength", description="entries that one replica carries, without a consumerGroup"
    )
    lag_count: NotNegativeInteger = Field(
        0, validation_alias="lagCount", description="lag that one replica carries; makes the lag count (Redis 7)"
    )
    activation_lag_count: Integer = Field(
        0, validation_alias="activationLagCount", description="active above this number, whichever is counted"
    )

    def target(self) -> float:
        """Return what one replica carries of what is counted."""
        if self.consumer_group is None:
            return self.stream_length
        return self.lag_count or self.pending_entries_count

    def activation(self) -> float:
        """Return the number above which the trigger is active."""
        return self.activation_lag_count


class RedisStreamsConfig(StreamConfig, ServerConfig):
    """Parameters of the `redis-streams` trigger."""


S = TypeVar("S", bound=StreamConfig)


class StreamScaler(PushScaler[S]):
    """Counts what one stream holds, wherever it is."""

    def __init__(self, config: S, client: Client) -> None:
        self._config = config
        self._client = client

    @classmethod
    @asynccontextmanager
    async def open(cls, config: S, connections: Connections) -> AsyncIterator[Self]:
        """Borrow the source's client."""
        async with borrow(config.source(), connections) as client:
            yield cls(config, client)

    async def read(self) -> Reading:
        """Count by the rule that the parameters choose."""
        group = self._config.consumer_group
        if group is None:
            return Reading(value=await self._length())
        if self._config.lag_count:
            return Reading(value=await self._lag(group))
        return Reading(value=await self._pending(group))

    def wakeups(self) -> AsyncIterator[None]:
        """Yield when entries come, where the server's keyspace notifications are on for streams."""
        return self._client.additions(self._config.stream, "t")

    async def _length(self) -> float:
        return count_of(await self._client.submit("XLEN", self._config.stream), self._config.stream)

    async def _pending(self, group: str) -> float:
        reply = await self._client.submit("XPENDING", self._config.stream, group)
        with understood(self._config.stream):
            pending, *_ = list(reply) if isinstance(reply, list) else [None]
        return count_of(pending, self._config.stream)

    async def _lag(self, group: str) -> float:
        """Return the group's lag; the stream's length where there is no group yet, or Redis cannot tell.

        Redis cannot tell where entries after the group's last one were deleted, or the group began in the middle.
        Some are then waiting, and the length is their upper bound; it is exact again once the group has read the
        last entry. Counting nothing would leave a workload at zero forever.
        """
        try:
            groups = await self._client.submit("XINFO", "GROUPS", self._config.stream)
        except NoSuchKey:
            return 0
        with understood(self._config.stream):
            lags = [facts.get(b"lag", _UNTOLD) for facts in map(_facts, groups) if facts[b"name"] == group.encode()]
        if _UNTOLD in lags:
            raise SourceRejected("lagCount needs Redis 7 or newer; this server does not tell the lag")
        if lags and lags[0] is not None:
            return count_of(lags[0], self._config.stream)
        return await self._length()


def _facts(properties: Sequence[Any]) -> dict[bytes, Any]:
    """Return what is said of one group, by name."""
    return dict(zip(properties[::2], properties[1::2], strict=True))


class RedisStreamsScaler(StreamScaler[RedisStreamsConfig]):
    """Entries of a Redis stream: all, or those pending or lagging in a consumer group.

    Reads:
        The key `stream`, by one of three rules.

        | parameters | value | one replica carries | the key is missing | the group is missing |
        |---|---|---|---|---|
        | no `consumerGroup` | `XLEN` | `streamLength` (5) | 0 | |
        | `consumerGroup` | pending (`XPENDING`) | `pendingEntriesCount` (5) | error `NOGROUP` | error `NOGROUP` |
        | `consumerGroup`, `lagCount` | lag (`XINFO GROUPS`) | `lagCount` | 0 | the stream's length |

        The lag needs Redis 7. Redis cannot tell it where entries after the group's last one were deleted, or the
        group began in the middle of the stream. Then the stream's length counts, as an upper bound: entries are
        waiting, and the lag is known again once the group has read the last one.

        Pending entries are those that a consumer has received and not acknowledged. They appear only when someone
        reads, so a workload at zero that counts them needs another consumer; for scaling from zero use `lagCount`.

        One command a read, and `XLEN` where the length stands in. The user needs `~KEY` and the rule's command:
        `+xlen`, `+xpending`, or `+xinfo +xlen`.

    Active:
        Above `activationLagCount` (0), whichever is counted.

    Push:
        With keyspace notifications on at the server, a new entry wakes the workload at once:
        `notify-keyspace-events Kt` (or `KA`). That setting is never changed. It is asked for where it may be
        (`CONFIG GET`), and subscribed to where it may not be asked for. Where push is off or not allowed, polling
        goes on alone.

    Errors:
        | error | meaning | what to do |
        |---|---|---|
        | connection refused, time-out, `LOADING`, `BUSY`, `MASTERDOWN`, `OOM` | unavailable | it passes by itself |
        | `WRONGPASS`, `NOAUTH`, `NOPERM` | rejected | mend `username`, `password`, or what the user may do |
        | the server's certificate is not trusted | rejected | mend `ca`, or the names in the certificate |
        | TLS failed | rejected | no TLS there, or it asks for a certificate: mend the port; give `cert` and `key` |
        | `WRONGTYPE` | rejected | the key is no stream: for other kinds there is `redis` |
        | `NOGROUP` | rejected | make the group, or count its lag |
        | lagCount needs Redis 7 or newer | rejected | leave `lagCount` out |
        | the key lives on another node of a Redis Cluster | rejected | use `redis-cluster-streams` |

    Differences from KEDA:
        | KEDA | here |
        |---|---|
        | unknown metadata is ignored | it is refused by name |
        | a target of 0 or below is accepted | it is refused, since values are divided by it |
        | an address without a port is accepted, and fails later | refused |
        | of several addresses all but the first are left out | refused: they are for clusters and sentinels |
        | bad certificates fail when connecting; without TLS they are ignored | refused at once |
        | a client per trigger | one connection per server, database and user, and one pipeline for all that are due |
    """

    type = "redis-streams"
    Config = RedisStreamsConfig

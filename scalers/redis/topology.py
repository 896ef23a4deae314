"""Who has a key: the nodes of a cluster by its slot, the master of a name by what the sentinels say."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError

from scaler.backoff import Backoff
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scalers.redis.client import RedisClient
from scalers.redis.connection import SOCKET_TIMEOUT_S, ask_once, disconnect, new_connection, send
from scalers.redis.errors import understood
from scalers.redis.servers import Cluster, Endpoint, Sentinels, Server

T = TypeVar("T")

_SWITCHED = "+switch-master"
_LAST_PORT = 65535
_ANNOUNCEMENTS_APART_S = 0.01


class Owners(ABC):
    """Who has which key, as of one look."""

    @abstractmethod
    def of(self, key: bytes) -> Endpoint | None:
        """Return who has a key, or None when nobody has."""

    @abstractmethod
    def endpoints(self) -> Collection[Endpoint]:
        """Return all."""


class Topology(ABC):
    """Where owners are asked for."""

    @abstractmethod
    async def look(self, clients: Sequence[RedisClient]) -> Owners:
        """Find the owners.

        Args:
            clients: Those of the owners that are known.

        Raises:
            SourceError: Nobody says.
        """

    @abstractmethod
    async def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever the owners may have changed, until cancelled; return when nobody would say so."""


@dataclass(frozen=True, slots=True)
class _Slots(Owners):
    by_slot: tuple[Endpoint | None, ...]

    def of(self, key: bytes) -> Endpoint | None:
        return self.by_slot[key_slot(key)]

    def endpoints(self) -> Collection[Endpoint]:
        return {endpoint for endpoint in self.by_slot if endpoint is not None}


@dataclass(frozen=True, slots=True)
class _Master(Owners):
    endpoint: Endpoint

    def of(self, key: bytes) -> Endpoint:  # noqa: ARG002 - it has all keys
        return self.endpoint

    def endpoints(self) -> Collection[Endpoint]:
        return (self.endpoint,)


class ClusterTopology(Topology):
    """The slot map, from any node: those that are known first, over the connections that they have."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def look(self, clients: Sequence[RedisClient]) -> Owners:
        """Ask the nodes in a random order, so that one with an old map is not asked again and again."""
        errors: list[SourceError] = []
        for client in _shuffled(clients):
            try:
                return _slots(await client.submit("CLUSTER", "SLOTS"), client.server)
            except SourceError as error:
                errors.append(error)
        for seed in _shuffled(self._cluster.seeds):
            try:
                return _slots(await ask_once(seed, "CLUSTER", "SLOTS"), seed)
            except SourceError as error:
                errors.append(error)
        raise _most_telling(errors)

    async def listen(self, changed: Callable[[], None]) -> None:
        """Return: a node says that a key moved when it is asked for it."""


class SentinelTopology(Topology):
    """The master's address, from the first sentinel that answers."""

    def __init__(self, sentinels: Sentinels) -> None:
        self._name = sentinels.name
        self._sentinels = list(sentinels.sentinels)

    async def look(self, clients: Sequence[RedisClient]) -> Owners:  # noqa: ARG002 - a master may not know that it was replaced
        """Ask the sentinels in turn, beginning with the one that answered last."""
        errors: list[SourceError] = []
        for sentinel in tuple(self._sentinels):
            try:
                reply = await ask_once(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
            except SourceError as error:
                errors.append(error)
                continue
            if reply is None:
                errors.append(SourceRejected(f"{sentinel}: the sentinel knows no master named {self._name}"))
                continue
            try:
                with understood(sentinel):
                    host, port = reply
                    master = _Master((host.decode(), _port(port)))
            except SourceError as error:
                errors.append(error)
                continue
            self._sentinels.remove(sentinel)
            self._sentinels.insert(0, sentinel)
            return master
        raise _most_telling(errors)

    async def listen(self, changed: Callable[[], None]) -> None:
        """Hear a sentinel announce a new master, and another when that one is lost."""
        backoff = Backoff(first_s=0.1, longest_s=3.0)
        while True:
            for sentinel in tuple(self._sentinels):
                with suppress(RedisError, OSError):
                    async with aclosing(_heard(sentinel)) as heard:
                        async for _ in heard:
                            backoff.reset()
                            changed()
                            # A sentinel that says so without end may not keep the loop busy.
                            await asyncio.sleep(_ANNOUNCEMENTS_APART_S)
            await asyncio.sleep(backoff.next_delay())


async def _heard(sentinel: Server) -> AsyncGenerator[None, None]:
    """Yield when the subscription stands, as it may have happened before, and at each announcement."""
    # Without a socket timeout: silence is what a subscription is made of.
    connection = new_connection(sentinel, socket_timeout_s=None)
    try:
        async with asyncio.timeout(SOCKET_TIMEOUT_S):
            await send(connection, [("SUBSCRIBE", _SWITCHED)])
            await connection.read_response()
        while True:
            yield
            await connection.read_response()
    finally:
        await disconnect(connection)


def _slots(reply: Iterable[Sequence[Any]], told_by: Server) -> _Slots:
    by_slot: list[Endpoint | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
    try:
        for first, last, (host, port, *_), *_replicas in reply:
            # A node that does not know its own address says none: it is where it was asked.
            endpoint = (host.decode() if host else told_by.host), _port(port)
            slots = range(REDIS_CLUSTER_HASH_SLOTS)[first : last + 1]
            by_slot[slots.start : slots.stop] = [endpoint] * len(slots)
    except (AttributeError, TypeError, ValueError) as error:
        raise SourceRejected(f"{told_by}: the answer to CLUSTER SLOTS is no map of slots") from error
    return _Slots(tuple(by_slot))


def _port(text: Any) -> int:
    port = int(text)
    if not 0 < port <= _LAST_PORT:
        raise ValueError("no port")
    return port


def _shuffled(servers: Sequence[T]) -> list[T]:
    return random.sample(servers, len(servers))


def _most_telling(errors: Sequence[SourceError]) -> SourceError:
    """Return a refusal rather than an outage: others may be up, and someone must mend it."""
    refusals = [error for error in errors if isinstance(error, SourceRejected)]
    return (refusals or errors or [SourceUnavailable("no server is known")])[-1]

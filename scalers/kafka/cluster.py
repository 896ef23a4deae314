"""The brokers of a cluster: who leads which partition, who knows which group, and one connection to each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from scaler.backoff import Backoff
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scalers.kafka.connection import Access, Connection
from scalers.kafka.errors import refusal, understood
from scalers.kafka.lag import Partition
from scalers.kafka.requests import Metadata
from scalers.kafka.server import Server

# New partitions and moved leaders are noticed after this time at the latest; a moved leader mostly by its error.
METADATA_MAX_AGE_S = 30.0
_ABSENT_LONGEST_S = 10.0
_NO_LEADER = -1
T = TypeVar("T")
# Host and port.
Address: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Topic:
    """What is known of a topic.

    Attributes:
        leaders: Which broker leads each partition; -1 where none does.
        error: Why nothing is known.
    """

    leaders: Mapping[Partition, int] = field(default_factory=dict)
    error: SourceError | None = None


class Cluster:
    """What brokers said about themselves and about topics; shared by all who talk to them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.access = Access(server)
        self._brokers: dict[int, Address] = {}
        self._topics: dict[str, Topic] = {}
        self._doubted: set[str] = set()
        self._wanted: set[str] = set()
        self._renewed_at = 0.0

    @property
    def brokers(self) -> Collection[Address]:
        """Where brokers are."""
        return self._brokers.values()

    def broker(self, node: int) -> Address:
        """Return where a broker is.

        Raises:
            SourceUnavailable: Nobody said that it exists.
        """
        try:
            return self._brokers[node]
        except KeyError:
            raise SourceUnavailable(f"{self.server}: broker {node} is not there") from None

    def topic(self, name: str) -> Topic:
        """Return what was said last."""
        return self._topics.get(name) or Topic(error=SourceUnavailable(f"{self.server}: topic {name!r} is unknown yet"))

    def unknown(self, topics: Iterable[str]) -> set[str]:
        """Return the topics that must be asked for: never seen, doubted, without a leader somewhere, or long ago."""
        now = asyncio.get_running_loop().time()
        if now - self._renewed_at > METADATA_MAX_AGE_S:
            self._renewed_at = now
            # What nobody wanted since the last time is forgotten.
            self._topics = {name: it for name, it in self._topics.items() if name in self._wanted}
            self._doubted, self._wanted = set(self._topics), set()
        wanted = set(topics)
        self._wanted |= wanted
        return {name for name in wanted if name in self._doubted or not self._settled(name)}

    def doubt(self, topics: Iterable[str]) -> None:
        """Let topics be asked for again: an answer proved wrong what is known of them."""
        self._doubted.update(topics)

    def learn(self, answer: Any) -> None:
        """Take up an answer to `Metadata`.

        Raises:
            SourceUnavailable: It makes no sense.
        """
        with understood(self.server):
            self._learn(answer)

    def _learn(self, answer: Any) -> None:
        self._brokers = {node: (host, port) for node, host, port, *_ in answer.brokers}
        for code, name, _internal, partitions in answer.topics:
            self._doubted.discard(name)
            self._topics[name] = Topic(
                {Partition(name, number): leader for _code, number, leader, *_ in partitions},
                refusal(code, source=self.server, what=f"topic {name!r}"),
            )

    def _settled(self, name: str) -> bool:
        topic = self._topics.get(name)
        return topic is not None and bool(topic.leaders) and _NO_LEADER not in topic.leaders.values()


class _Absence:
    """A broker that could not be reached, and when to try again."""

    def __init__(self) -> None:
        self._backoff = Backoff(first_s=0.2, longest_s=_ABSENT_LONGEST_S)
        self._until = 0.0
        self._error: SourceError | None = None

    def begin(self, error: SourceError) -> None:
        self._error = error
        self._until = asyncio.get_running_loop().time() + self._backoff.next_delay()

    def raise_for_a_while(self) -> None:
        if self._error is not None and asyncio.get_running_loop().time() < self._until:
            raise self._error.again()


class Links:
    """One connection to each broker that is talked to, opened at its first use and anew after a loss."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._open: dict[Address, Connection] = {}
        self._opening: dict[Address, asyncio.Lock] = {}
        self._absent: dict[Address, _Absence] = {}

    async def to(self, node: int) -> Connection:
        """Return the connection to a broker.

        One that could not be reached is tried again after a while only, so that it does not delay the others' answers.

        Raises:
            SourceError: It cannot be reached, or refuses us.
        """
        where = self._cluster.broker(node)
        if (absence := self._absent.get(where)) is not None:
            absence.raise_for_a_while()
        return await self._at(where)

    async def learn(self, topics: Iterable[str]) -> None:
        """Ask any broker about the brokers and these topics, and let the cluster learn it.

        Raises:
            SourceError: None answers.
        """
        request = Metadata(topics)
        self._cluster.learn(await self.ask_any(lambda connection: connection.send(request)))
        # The bootstrap server may be another name of a broker, or none at all.
        for where in self._open.keys() - set(self._cluster.brokers):
            await self._open.pop(where).close()
        self._opening = {where: it for where, it in self._opening.items() if it.locked()}
        self._absent = {where: it for where, it in self._absent.items() if where in self._cluster.brokers}

    async def ask_any(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        """Ask brokers until one answers, those that are connected first.

        Raises:
            SourceError: None answers.
        """
        failure: SourceError | None = None
        for where in dict.fromkeys((*self._open, *self._cluster.brokers, *self._cluster.server.bootstrap)):
            try:
                return await ask(await self._at(where))
            except SourceError as error:
                # That somebody must mend something says more than that another broker is down.
                failure = error if failure is None or isinstance(error, SourceRejected) else failure
        raise failure or SourceUnavailable(f"{self._cluster.server}: no broker answers")

    async def close(self) -> None:
        """Close all."""
        while self._open:
            _, connection = self._open.popitem()
            await connection.close()

    async def _at(self, where: Address) -> Connection:
        async with self._opening.setdefault(where, asyncio.Lock()):
            connection = self._open.get(where)
            if connection is None or connection.lost:
                if connection is not None:
                    await self._open.pop(where).close()
                try:
                    connection = await Connection.open(self._cluster.access, *where)
                except SourceError as error:
                    self._absent.setdefault(where, _Absence()).begin(error)
                    raise
                self._absent.pop(where, None)
                self._open[where] = connection
            return connection

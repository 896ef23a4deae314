"""Waits at the ends of topics for new records, as a reader that joins no group and keeps nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import suppress

from aiokafka.errors import OffsetOutOfRangeError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from scaler.backoff import Backoff
from scaler.clients.watcher import Sessions, Watcher
from scaler.ports.errors import SourceError, SourceRejected
from scalers.kafka.cluster import METADATA_MAX_AGE_S, Cluster, Links
from scalers.kafka.errors import refusal, understood
from scalers.kafka.fetch_session import FetchSession, News
from scalers.kafka.lag import Partition
from scalers.kafka.offsets import OffsetReader

# The first record wakes at once, and those that follow together. A topic that is always written to is looked at less
# and less often, as each look brings along a batch of records.
_COALESCE_S = 0.02
_COALESCE_LONGEST_S = 0.5
# Codes after which asking again helps, though they are not passing: the topic was shortened, deleted or made anew.
_ASTRAY = frozenset({OffsetOutOfRangeError.errno, UnknownTopicOrPartitionError.errno})
# Leaders that move are looked for this often.
_REPLAN_S = 0.1


class _TopicsWatcher(Watcher):
    """Who waits for records of some topics.

    Attributes:
        stands: Whether the reader stands at the ends of all of them.
    """

    def __init__(self, topics: Iterable[str]) -> None:
        super().__init__()
        self.topics = frozenset(topics)
        self.stands = False


class Arrivals:
    """One connection to each broker that leads a watched partition, opened when the first topic is watched."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._links = Links(cluster)
        self._offsets = OffsetReader(cluster, self._links)
        self._watchers: set[_TopicsWatcher] = set()
        self._positions: dict[Partition, int] = {}
        self._plan: dict[int, set[Partition]] = {}
        self._changed = asyncio.Event()
        self._sessions = Sessions(wanted=self._changed, hold=self._hold_session, ended=self._end_all)

    async def watch(self, topics: Iterable[str]) -> AsyncGenerator[None, None]:
        """Yield when the reader stands at the ends, then whenever records came; several arrivals are one item.

        It ends when the client is closed.

        Raises:
            SourceError: No broker answers, or there is no such topic.
        """
        watcher = _TopicsWatcher(topics)
        self._watchers.add(watcher)
        self._changed.set()
        try:
            while await watcher.wait():
                yield
        finally:
            self._watchers.discard(watcher)
            self._changed.set()

    def fail(self, error: SourceError) -> None:
        """End what waits: the cluster was found lost by other means."""
        self._sessions.fail(error)

    async def serve(self) -> None:
        """Follow what is watched, until the client closes."""
        try:
            await self._sessions.serve()
        finally:
            await self._links.close()

    async def _hold_session(self) -> None:
        try:
            async with asyncio.TaskGroup() as session:
                session.create_task(self._sessions.raise_when_lost(), name=f"{self._cluster.server}: arrivals: outage")
                await self._supervise(session)
        finally:
            await self._links.close()

    async def _supervise(self, session: asyncio.TaskGroup) -> None:
        """Let each broker be followed for the partitions that it leads."""
        followers: dict[int, asyncio.Task[None]] = {}
        while True:
            self._changed.clear()
            settled = await self._replan()
            for node in self._plan:
                if node not in followers or followers[node].done():
                    followers[node] = session.create_task(self._follow(node), name=f"{self._cluster.server}: {node}")
            with suppress(TimeoutError):
                async with asyncio.timeout(METADATA_MAX_AGE_S if settled else _REPLAN_S):
                    await self._changed.wait()
            await asyncio.sleep(_REPLAN_S)

    async def _replan(self) -> bool:
        """Find leaders and ends of what is watched; whether all could be found."""
        topics = {name for watcher in self._watchers for name in watcher.topics}
        await self._offsets.learn(topics)
        leaders = {it: node for name in topics for it, node in self._cluster.topic(name).leaders.items()}
        self._positions = {it: position for it, position in self._positions.items() if it in leaders}
        for partition, end in (await self._offsets.ends({it.topic for it in leaders.keys() - self._positions})).items():
            if not isinstance(end, SourceError):
                self._positions.setdefault(partition, end)
        self._plan = {}
        for partition, node in leaders.items():
            if partition in self._positions:
                self._plan.setdefault(node, set()).add(partition)
        for name in topics:
            if (error := self._cluster.topic(name).error) is not None:
                self._end({name}, error)
        followed = {it.topic for it in self._positions}
        for watcher in self._watchers:
            if not watcher.stands and watcher.topics <= followed:
                watcher.stands = True
                watcher.tell()
        return leaders.keys() == self._positions.keys()

    async def _follow(self, node: int) -> None:
        session, pause = FetchSession(), Backoff(first_s=_COALESCE_S, longest_s=_COALESCE_LONGEST_S)
        try:
            while partitions := self._plan.get(node):
                connection = await self._links.to(node)
                positions = {it: self._positions[it] for it in partitions if it in self._positions}
                answer = await connection.send(session.request(positions))
                with understood(connection):
                    news = tuple(session.news(answer))
                if self._take(node, news) or answer.error_code:
                    await asyncio.sleep(pause.next_delay())
                else:
                    pause.reset()
        except SourceError as error:
            topics = {it.topic for it in self._plan.pop(node, ())}
            if isinstance(error, SourceRejected):
                self._end(topics, error)
            # Whether it is one broker or all is found out by asking who leads now.
            self._cluster.doubt(topics)
            self._changed.set()

    def _take(self, node: int, news: Iterable[News]) -> bool:
        """Move on, and tell who waits; whether there was anything."""
        arrived: set[str] = set()
        for item in news:
            if item.code:
                self._stray(node, item)
            elif item.end > self._positions.get(item.partition, item.end):
                self._positions[item.partition] = item.end
                arrived.add(item.partition.topic)
        self._tell(arrived)
        return bool(arrived)

    def _stray(self, node: int, item: News) -> None:
        """Find another way to a partition: another leads it, or it begins or ends elsewhere now."""
        topic = item.partition.topic
        error = refusal(item.code, source=self._cluster.server, what=f"topic {topic!r}")
        if item.code == TopicAuthorizationFailedError.errno:
            # Who may not read may still ask for offsets: there is polling.
            self._end({topic}, None)
        elif item.code not in _ASTRAY and isinstance(error, SourceRejected):
            self._end({topic}, error)
        self._plan.get(node, set()).discard(item.partition)
        self._positions.pop(item.partition, None)
        for watcher in self._watchers:
            watcher.stands &= topic not in watcher.topics
        self._cluster.doubt((topic,))
        self._changed.set()

    def _end(self, topics: Collection[str], error: SourceError | None) -> None:
        for watcher in [it for it in self._watchers if not it.topics.isdisjoint(topics)]:
            self._watchers.discard(watcher)
            watcher.end(error)

    def _tell(self, topics: set[str]) -> None:
        for watcher in self._watchers:
            if not watcher.topics.isdisjoint(topics):
                watcher.tell()

    def _end_all(self, error: SourceError | None) -> None:
        watchers, self._watchers = self._watchers, set()
        self._positions, self._plan = {}, {}
        self._changed.clear()
        for watcher in watchers:
            watcher.end(error)

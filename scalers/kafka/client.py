"""A client that many triggers share: what they ask travels together, and one reader waits for new records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Self

from scaler.clients.batcher import Batcher
from scaler.ports.connections import Connections
from scalers.kafka.arrivals import Arrivals
from scalers.kafka.cluster import Cluster, Links
from scalers.kafka.lag import GroupOffsets
from scalers.kafka.offsets import OffsetReader, Question
from scalers.kafka.server import Server


class KafkaClient:
    """Reads offsets in batches; while no broker answers, every question fails at once."""

    def __init__(self, server: Server) -> None:
        cluster = Cluster(server)
        self._server = server
        self._links = Links(cluster)
        self._arrivals = Arrivals(cluster)
        reader = OffsetReader(cluster, self._links)
        self._batcher: Batcher[Question, GroupOffsets] = Batcher(
            server, exchange=reader.answer, revive=reader.revive, on_lost=self._arrivals.fail
        )

    @classmethod
    def shared(cls, server: Server, connections: Connections) -> AbstractAsyncContextManager[Self]:
        """Borrow the client of this cluster and user."""
        return connections.shared("kafka", server, lambda: cls.connect(server))

    @classmethod
    @asynccontextmanager
    async def connect(cls, server: Server) -> AsyncIterator[Self]:
        """Make a client; it connects at first use."""
        client = cls(server)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(client._serve(), name=f"{server}: offsets"),
                tasks.create_task(client._arrivals.serve(), name=f"{server}: arrivals"),
            ]
            try:
                yield client
            finally:
                for task in running:
                    task.cancel()

    async def offsets(self, group: str, topics: Iterable[str]) -> GroupOffsets:
        """Return where a group stands, read with the next batch.

        Args:
            group: The consumer group.
            topics: In which topics; none stands for all for which it has committed anything.

        Raises:
            SourceUnavailable: No broker answers, or one says that it cannot answer now.
            SourceRejected: There is no such topic, or we are not let in.
        """
        return await self._batcher.ask(Question(group, frozenset(topics)))

    def arrivals(self, topics: Iterable[str]) -> AsyncGenerator[None, None]:
        """Yield whenever records may have come to one of the topics.

        Raises:
            SourceError: No broker answers, or there is no such topic.
        """
        return self._arrivals.watch(topics)

    async def _serve(self) -> None:
        try:
            await self._batcher.serve()
        finally:
            await self._links.close()

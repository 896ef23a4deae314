"""What both Kafka triggers do: report a group's lag, and wake when records come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Self, TypeVar

from scaler.model import Reading
from scaler.ports.connections import Connections
from scaler.ports.scaler import PushScaler
from scalers.kafka.client import KafkaClient
from scalers.kafka.config import KafkaLagConfig
from scalers.kafka.lag import Partition, committed, total_lag

C = TypeVar("C", bound=KafkaLagConfig)


class ConsumerLagScaler(PushScaler[C]):
    """Lag of a consumer group."""

    def __init__(self, config: C, client: KafkaClient) -> None:
        self._config = config
        self._client = client
        self._rules = config.rules()
        self._topics = config.topics()
        self._partitions = config.partitions()
        self._previous: dict[Partition, int] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, config: C, connections: Connections) -> AsyncIterator[Self]:
        """Borrow the cluster's client."""
        async with KafkaClient.shared(config.server(), connections) as client:
            yield cls(config, client)

    async def read(self) -> Reading:
        """Count what the group has not committed yet."""
        offsets = await self._client.offsets(self._config.consumer_group, self._topics)
        if self._partitions:
            offsets = {it: found for it, found in offsets.items() if it.number in self._partitions}
        lag = total_lag(self._rules, offsets, self._previous)
        self._previous |= committed(offsets)
        return Reading(value=float(lag.value), active=lag.with_persistent > self._config.activation())

    async def wakeups(self) -> AsyncIterator[None]:
        """Yield when records come to the topic; ends at once for a trigger that names none, or compares its polls."""
        # Readings at wake-ups would come sooner than a group commits, so that all of it counted as stuck.
        if not self._topics or self._config.exclude_persistent_lag:
            return
        async with aclosing(self._client.arrivals(self._topics)) as arrivals:
            async for arrival in arrivals:
                yield arrival

"""The `rabbitmq` trigger: length, rates or time to consume of a queue, or of all queues that match a pattern."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, Self

from scaler.clients.http import DEFAULT_TIMEOUT_S
from scaler.model import Reading
from scaler.ports.connections import Connections
from scaler.ports.scaler import Scaler
from scalers.rabbitmq.config import RabbitMQConfig
from scalers.rabbitmq.declares import DeclareClient
from scalers.rabbitmq.link import Broker
from scalers.rabbitmq.management import ManagementClient, management_server
from scalers.rabbitmq.values import QueueState, combine, measure
from scalers.rabbitmq.vhost_queues import Vhost, VhostQueues


class _Source(Protocol):
    @abstractmethod
    async def state(self) -> QueueState:
        """Return what the trigger measures."""


class _Declared:
    """One queue, over AMQP."""

    def __init__(self, config: RabbitMQConfig, client: DeclareClient) -> None:
        self._queue = config.queue_name
        self._client = client

    async def state(self) -> QueueState:
        ready = await self._client.ready_messages(self._queue)
        return QueueState(messages=ready, ready=ready)


class _Managed:
    """One queue or several, over the management API."""

    def __init__(self, config: RabbitMQConfig, queues: VhostQueues) -> None:
        self._config = config
        self._queues = queues

    async def state(self) -> QueueState:
        config = self._config
        if config.use_regex:
            return combine(await self._queues.matching(config.queue_name, config.page_size), config.operation)
        return await self._queues.queue(config.queue_name)


class RabbitMQScaler(Scaler[RabbitMQConfig]):
    """Messages or rates of a RabbitMQ queue, or of all queues that match a pattern."""

    type = "rabbitmq"
    Config = RabbitMQConfig

    def __init__(self, config: RabbitMQConfig, source: _Source) -> None:
        self._config = config
        self._source = source

    @classmethod
    @asynccontextmanager
    async def open(cls, config: RabbitMQConfig, connections: Connections) -> AsyncIterator[Self]:
        """Borrow the virtual host's client."""
        address = config.address()
        tls = config.tls_for(address)
        if address.scheme.startswith("http"):
            vhost = Vhost(address.prefix, address.vhost, config.read_timeout_s() or DEFAULT_TIMEOUT_S)
            async with ManagementClient.shared(management_server(address, tls), connections) as client:
                yield cls(config, _Managed(config, client.queues(vhost)))
        else:
            broker = Broker(address.host, address.port, address.vhost, address.username, address.password, tls)
            async with DeclareClient.shared(broker, connections) as declares:
                yield cls(config, _Declared(config, declares))

    async def read(self) -> Reading:
        """Measure once, as `mode` says."""
        config = self._config
        return measure(
            await self._source.state(),
            config.measured_mode,
            config.activation(),
            exclude_unacknowledged=config.exclude_unacknowledged,
        )

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
from scalers.rabbitmq.api import management_server
from scalers.rabbitmq.config import RabbitMQConfig
from scalers.rabbitmq.declares import DeclareClient
from scalers.rabbitmq.link import Broker
from scalers.rabbitmq.management import ManagementClient
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
    """Messages or rates of a RabbitMQ queue, or of all queues that match a pattern.

    Reads:
        Nothing is consumed, declared or changed.

        | over | call | counts | the user needs |
        |---|---|---|---|
        | amqp | passive `queue.declare` | messages that are ready | access to the virtual host; no further permission |
        | http | `GET /api/queues/VHOST`, or of one queue | all messages, rates | also the tag `management` |
        | http, `useRegex` | `GET /api/queues/VHOST?use_regex=true&name=...` | the same, all matches as one | the same |

        All messages are those ready and those unacknowledged; with `excludeUnacknowledged` the ready ones only.

        With p messages published and d delivered or got per second, and a for `activationValue`:

        | mode | value | active |
        |---|---|---|
        | `QueueLength` (without mode and value: 20 a replica) | messages | messages > a |
        | `MessageRate` | p | p > a or messages > a |
        | `DeliverGetRate` | d | d > a |
        | `PublishedToDeliveredRatio` | p / d; 0 when p is 0 | value > a |
        | the same, d is 0 and p is not | a | always |
        | `ExpectedQueueConsumptionTime` (seconds) | (p - d) / d + messages / d; 0 without messages | value > a |
        | the same, d is 0 and there are messages | a | always |

        All modes but `QueueLength`, `useRegex`, `excludeUnacknowledged` and `timeout` need http. A pattern is found
        anywhere in a name, so it is best written as `^...$`; several queues become one by `operation`: `sum`, `avg`
        (counts rounded down) or `max`, each number by itself. No match is an empty queue.
    Active:
        As the table says; at exactly `activationValue` it is not.
    Errors:
        | error | meaning | what to do |
        |---|---|---|
        | there is no queue ... | it, or over http its virtual host, does not exist; unknown, not 0 | declare it |
        | the virtual host does not exist, or ... | the broker refused it | create it, or permit the user |
        | there is no virtual host ... | the same over http | the same |
        | ACCESS_REFUSED | user or password is wrong | correct them |
        | the user or the password is wrong, or ... | the same over http, or no tag | correct them, or set the tag |
        | RESOURCE_LOCKED | the queue is another connection's own (exclusive) | use http |
        | the statistics do not have the queue | it is seconds old, or its node is down | wait; look after the node |
        | queueName is no regular expression ... | the broker has another syntax (PCRE) | correct it |
        | ... queues match; pageSize allows ... | some would be left out | raise `pageSize` (to at most 500) |
        | the server's certificate is not trusted | `ca` is missing or another, or the name differs | correct `ca` |
        | TLS failed | no TLS there, or it asks for a certificate | correct the port; give `cert` and `key` |
        | no answer in time, the connection was lost | an outage | nothing: it passes |
    Differences from KEDA:
        | KEDA | here |
        |---|---|
        | a connection for each trigger | one for each virtual host and user |
        | `tls: enable` with `amqp://` is sent in the clear | refused: the URL's scheme must be `amqps` or `https` |
        | `ca`, `cert` and `key` count with `tls: enable` only | they count with `amqps` and `https` |
        | a host that is no URL, or one that `protocol` contradicts, fails at run time | refused |
        | a queue without statistics, as when the broker just started, counts 0 | unknown, also with `useRegex` |
        | targets of 0 and below | refused; `queueLength: "0"` counts as not given, as there |
        | `pageSize` above 500 fails at run time | refused |
        | OAuth (`clientID`, ...) | not supported yet |
        | `workloadIdentityResource` | refused: it exists only in Azure |
    """

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

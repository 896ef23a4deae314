"""The event sources: a real server each, with one queue whose length the run sets."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import ClassVar

from benchmarks.faults.secrets import SECRETS
from scaler.testing.servers.kafka import KafkaServer
from scaler.testing.servers.kafka_records import KafkaRecords
from scaler.testing.servers.metrics_endpoint import MetricsEndpoint, Page
from scaler.testing.servers.process import ServerProcess
from scaler.testing.servers.prometheus import PrometheusServer
from scaler.testing.servers.rabbitmq import RabbitMQServer
from scaler.testing.servers.redis import RedisServer

# What one replica carries.
TARGET = 5


def items_for(replicas: int) -> int:
    """Return a length that wants exactly so many replicas, whatever the present count and the tolerance."""
    return max(0, TARGET * replicas - 2)


class Source(ABC):
    """One queue of a server.

    Attributes:
        name: Of its workload, too.
        server: Who can be killed; several sources may have the same one.
        secrets: By the parameter that they are for.
    """

    name: ClassVar[str]

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.secrets: Mapping[str, str] = {}

    @abstractmethod
    def trigger(self) -> tuple[str, Mapping[str, str]]:
        """Return the type and its metadata."""

    @abstractmethod
    def hold(self, items: int) -> None:
        """Have that many items; the server runs."""


class RedisList(Source):
    """A list."""

    name = "list"
    server: RedisServer

    def __init__(self, server: RedisServer) -> None:
        super().__init__(server)
        self.secrets = {"username": "worker", "password": SECRETS["redis"]}

    def trigger(self) -> tuple[str, Mapping[str, str]]:
        """See `Source.trigger`."""
        return "redis", {"address": self.server.address, "listName": "list", "listLength": str(TARGET)}

    def hold(self, items: int) -> None:
        """See `Source.hold`."""
        with self.server.client() as client, client.pipeline() as pipe:
            pipe.delete("list")
            if items:
                pipe.rpush("list", *range(items))
            pipe.execute()


class RedisStream(Source):
    """A stream."""

    name = "stream"
    server: RedisServer

    def __init__(self, server: RedisServer) -> None:
        super().__init__(server)
        self.secrets = {"username": "worker", "password": SECRETS["redis"]}

    def trigger(self) -> tuple[str, Mapping[str, str]]:
        """See `Source.trigger`."""
        return "redis-streams", {"address": self.server.address, "stream": "stream", "streamLength": str(TARGET)}

    def hold(self, items: int) -> None:
        """See `Source.hold`."""
        with self.server.client() as client, client.pipeline() as pipe:
            pipe.delete("stream")
            for number in range(items):
                pipe.xadd("stream", {"number": number})
            pipe.execute()


class Rabbit(Source):
    """A durable queue."""

    name = "rabbit"
    server: RabbitMQServer

    def __init__(self, server: RabbitMQServer) -> None:
        super().__init__(server)
        server.add_user("worker", SECRETS["rabbitmq"])
        server.declare("jobs")
        self.secrets = {"username": "worker", "password": SECRETS["rabbitmq"]}

    def trigger(self) -> tuple[str, Mapping[str, str]]:
        """See `Source.trigger`."""
        host = f"amqp://{self.server.host}:{self.server.port}/"
        return "rabbitmq", {"host": host, "queueName": "jobs", "queueLength": str(TARGET)}

    def hold(self, items: int) -> None:
        """See `Source.hold`."""
        self.server.purge("jobs")
        if items:
            self.server.publish("jobs", items)


class Kafka(Source):
    """A topic with a group that lags."""

    name = "kafka"
    server: KafkaServer

    def __init__(self, server: KafkaServer) -> None:
        super().__init__(server)
        records = KafkaRecords(server.address)
        asyncio.run(records.create_topic("jobs", partitions=4))
        asyncio.run(records.commit("workers", "jobs", dict.fromkeys(range(4), 0)))

    def trigger(self) -> tuple[str, Mapping[str, str]]:
        """See `Source.trigger`."""
        return "kafka", {
            "bootstrapServers": self.server.address,
            "consumerGroup": "workers",
            "topic": "jobs",
            "lagThreshold": str(TARGET),
            "allowIdleConsumers": "true",
        }

    def hold(self, items: int) -> None:
        """See `Source.hold`."""
        asyncio.run(KafkaRecords(self.server.address).set_lag("workers", "jobs", items))


class Api(Source):
    """A number that an HTTP service tells to who has its key."""

    name = "api"
    server: MetricsEndpoint

    def __init__(self, server: MetricsEndpoint) -> None:
        super().__init__(server)
        self.secrets = {"apiKey": SECRETS["api"]}
        self.hold(0)

    def trigger(self) -> tuple[str, Mapping[str, str]]:
        """See `Source.trigger`."""
        url = f"{self.server.url}/jobs"
        return "metrics-api", {
            "url": url, "valueLocation": "waiting", "targetValue": str(TARGET), "authModes": "apiKey",
        }  # fmt: skip

    def hold(self, items: int) -> None:
        """See `Source.hold`."""
        self.server.show("/jobs", Page(json.dumps({"waiting": items}), needs={"X-API-KEY": SECRETS["api"]}))


class Query(Source):
    """A series of a Prometheus."""

    name = "query"
    server: PrometheusServer

    def __init__(self, server: PrometheusServer) -> None:
        super().__init__(server)
        self.hold(0)

    def trigger(self) -> tuple[str, Mapping[str, str]]:
        """See `Source.trigger`."""
        return "prometheus", {
            "serverAddress": self.server.url, "query": "waiting", "threshold": str(TARGET), "ignoreNullValues": "false",
        }  # fmt: skip

    def hold(self, items: int) -> None:
        """See `Source.hold`."""
        self.server.record("waiting", f"vector({items})")


_KINDS: tuple[type[Source], ...] = (RedisList, RedisStream, Rabbit, Kafka, Api, Query)


@contextmanager
def running(names: tuple[str, ...]) -> Iterator[dict[str, Source]]:
    """Start the servers of the sources with these names, or of all."""
    chosen = [kind for kind in _KINDS if not names or kind.name in names]
    with ExitStack() as stack:
        users = [f"worker on >{SECRETS['redis']} ~* +@all"]
        redis = stack.enter_context(RedisServer.running(users=users, keep_data=True))
        servers: dict[type[Source], Callable[[], ServerProcess]] = {
            RedisList: lambda: redis,
            RedisStream: lambda: redis,
            Rabbit: lambda: stack.enter_context(RabbitMQServer.running()),
            Kafka: lambda: stack.enter_context(KafkaServer.running()),
            Api: lambda: stack.enter_context(MetricsEndpoint.running()),
            Query: lambda: stack.enter_context(PrometheusServer.running()),
        }
        yield {kind.name: kind(servers[kind]()) for kind in chosen}

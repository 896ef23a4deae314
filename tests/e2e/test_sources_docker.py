"""Kafka with SCRAM and TLS, RabbitMQ, and a Redis Cluster, each with real containers: zero, up, drained, zero."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from scaler.testing.polling import eventually
from scaler.testing.servers.docker import DockerServer
from scaler.testing.servers.kafka import KafkaServer, KafkaTls
from scaler.testing.servers.kafka_records import KafkaRecords
from scaler.testing.servers.rabbitmq import RabbitMQServer
from scaler.testing.servers.redis_cluster import RedisCluster
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

IMAGE = "scaler-test-sleeper:1"
WORKER = "trap 'exit 0' TERM\nwhile :; do sleep 0.2; done\n"
PASSWORD = "open-sesame"  # noqa: S105 - of a server for one test


class Source(ABC):
    """A server with one queue, and its trigger; the password stands in an app's secret."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.secrets: dict[str, str] = {}

    @classmethod
    @abstractmethod
    def running(cls) -> AbstractContextManager[Source]: ...

    @abstractmethod
    def trigger(self) -> dict[str, Any]: ...

    @abstractmethod
    def hold(self, items: int) -> None: ...


class Kafka(Source):
    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Source]:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        tls = KafkaTls("".join(blob.bytes().decode() for blob in issued.cert_chain_pems), pkcs8(issued))
        with KafkaServer.running(users={"worker": PASSWORD}, tls=tls) as server:
            source = cls(server)
            source.secrets = {"ca": authority.cert_pem.bytes().decode(), "username": "worker", "password": PASSWORD}
            asyncio.run(KafkaRecords(server.address).create_topic("jobs", partitions=4))
            yield source

    def trigger(self) -> dict[str, Any]:
        metadata = {
            "bootstrapServers": self.server.sasl_tls_address,
            "consumerGroup": "workers",
            "topic": "jobs",
            "lagThreshold": "5",
            "sasl": "scram_sha512",
            "tls": "enable",
        }
        return {"type": "kafka", "metadata": metadata}

    def hold(self, items: int) -> None:
        asyncio.run(KafkaRecords(self.server.address).set_lag("workers", "jobs", items))


class RabbitMQ(Source):
    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Source]:
        with RabbitMQServer.running() as server:
            server.add_user("worker", PASSWORD)
            server.declare("jobs")
            source = cls(server)
            source.secrets = {"username": "worker", "password": PASSWORD}
            yield source

    def trigger(self) -> dict[str, Any]:
        metadata = {"host": f"amqp://{self.server.host}:{self.server.port}/", "queueName": "jobs", "queueLength": "5"}
        return {"type": "rabbitmq", "metadata": metadata}

    def hold(self, items: int) -> None:
        self.server.purge("jobs")
        if items:
            self.server.publish("jobs", items)


class Cluster(Source):
    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Source]:
        with RedisCluster.running(password=PASSWORD) as server:
            source = cls(server)
            source.secrets = {"password": PASSWORD}
            yield source

    def trigger(self) -> dict[str, Any]:
        metadata = {"addresses": self.server.addresses, "listName": "jobs", "listLength": "5"}
        return {"type": "redis-cluster", "metadata": metadata}

    def hold(self, items: int) -> None:
        with self.server.producer("jobs") as client:
            client.delete("jobs")
            if items:
                client.rpush("jobs", *range(items))


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        server.busybox_image(IMAGE, WORKER)
        yield server


@pytest.mark.parametrize("kind", [Kafka, RabbitMQ, Cluster])
def test_zero_up_drained_and_zero(kind: type[Source], engine: DockerServer, tmp_path: Path) -> None:
    def containers() -> list[str]:
        with engine.client() as client:
            return [it["State"] for it in client.containers(all=True, filters={"ancestor": IMAGE})]

    with kind.running() as source:
        service = ServiceProcess(tmp_path, manifest(source), actuator="docker", env={"DOCKER_HOST": engine.base_url})
        with service.running() as api:
            assert containers() == []
            source.hold(12)
            eventually(lambda: containers() == ["running"] * 3, what="three running containers")
            eventually(lambda: api.workload("worker").ready_replicas == 3, what="three ready replicas")
            source.hold(20)
            eventually(lambda: containers() == ["running"] * 4, what="four running containers")
            source.hold(0)
            eventually(lambda: containers() == [], what="no container left", within_s=60)
    assert PASSWORD not in service.log


def pkcs8(issued: trustme.LeafCert) -> str:
    """Return the key as Java reads it."""
    private = load_pem_private_key(issued.private_key_pem.bytes(), None)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def manifest(source: Source) -> str:
    auth = [{"secretRef": name, "triggerParameter": name} for name in source.secrets]
    rule = {"name": "jobs", "custom": {**source.trigger(), "auth": auth}}
    return json.dumps(
        {
            "name": "worker",
            "properties": {
                "configuration": {"secrets": [{"name": n, "value": value} for n, value in source.secrets.items()]},
                "template": {
                    "terminationGracePeriodSeconds": 3,
                    "containers": [{"name": "main", "image": IMAGE}],
                    "scale": {"maxReplicas": 10, "pollingInterval": 0.5, "cooldownPeriod": 2, "rules": [rule]},
                },
            },
        }
    )

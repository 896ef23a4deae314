"""Both Kafka scalers keep their promises against a real Kafka."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from scaler.ports.errors import SourceError, SourceRejected
from scaler.testing.scaler_contract import PushScalerContract
from scaler.testing.servers.kafka import KafkaServer
from scaler.testing.servers.kafka_records import KafkaRecords
from scalers.kafka.apache import ApacheKafkaScaler
from scalers.kafka.kafka import KafkaScaler

USER, PASSWORD = "worker", "open-sesame"
GROUP = "workers"
NUMBERS = itertools.count()

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    with KafkaServer.running(users={USER: PASSWORD}) as running:
        yield running


class KafkaContract(PushScalerContract):
    activation_parameter = "activationLagThreshold"
    missing_is: ClassVar[float | type[SourceError]] = SourceRejected
    sasl: ClassVar[str]

    @pytest.fixture(autouse=True)
    async def _topic(self, server: KafkaServer) -> None:
        self.server = server
        self.topic = f"jobs-{next(NUMBERS)}"
        self.records = KafkaRecords(server.address)
        await self.records.create_topic(self.topic, partitions=2)
        await self.records.set_lag(GROUP, self.topic, 0)

    def parameters(self) -> dict[str, Any]:
        return {
            "bootstrapServers": self.server.sasl_address,
            "consumerGroup": GROUP,
            "topic": self.topic,
            "sasl": self.sasl,
            "username": USER,
            "password": PASSWORD,
            "allowIdleConsumers": "true",
        }

    def missing(self) -> dict[str, Any]:
        return {**self.parameters(), "topic": "other"}

    def wrong_credentials(self) -> dict[str, Any]:
        return {**self.parameters(), "password": "open-barley"}

    async def set_backlog(self, items: int) -> None:
        await self.records.set_lag(GROUP, self.topic, items)

    async def backlog(self) -> int:
        return await self.records.lag(GROUP, self.topic)

    async def break_source(self) -> None:
        self.server.kill()

    async def restore_source(self) -> None:
        self.server.start()

    async def freeze_source(self) -> None:
        self.server.freeze()

    async def thaw_source(self) -> None:
        self.server.thaw()


class TestKafka(KafkaContract):
    scaler = KafkaScaler
    schema = Path(__file__).with_name("schemas") / "kafka.json"
    sasl = "plaintext"


class TestApacheKafka(KafkaContract):
    scaler = ApacheKafkaScaler
    schema = Path(__file__).with_name("schemas") / "apache-kafka.json"
    sasl = "scram_sha256"

"""A user who may do nothing: each trigger is rejected for what it needs, and the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceRejected
from scaler.testing.driving import DEADLINE_S, Wakeups, read, read_after_outage
from scaler.testing.servers.kafka import KafkaServer
from scaler.testing.servers.kafka_records import KafkaRecords
from scalers.kafka.kafka import KafkaScaler

pytestmark = pytest.mark.services

USER, PASSWORD = "nobody", "correct-horse"


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    with KafkaServer.running(users={USER: PASSWORD}, acls=True) as running:
        yield running


async def test_what_a_user_may_not_describe_is_rejected(server: KafkaServer) -> None:
    records = KafkaRecords(server.address)
    await records.create_topic("jobs")
    await records.set_lag("workers", "jobs", 3)
    parameters = {"consumerGroup": "workers", "bootstrapServers": server.sasl_address, "topic": "jobs"}
    login = {"sasl": "plaintext", "username": USER, "password": PASSWORD}
    config = KafkaScaler.Config.model_validate({**parameters, **login})
    allowed = KafkaScaler.Config.model_validate({**parameters, "bootstrapServers": server.address})
    async with (
        SharedConnections() as connections,
        KafkaScaler.open(config, connections) as scaler,
        KafkaScaler.open(allowed, connections) as other,
    ):
        for _ in range(2):
            with pytest.raises(SourceRejected, match="group 'workers': group authorization failed"):
                await read(scaler)
        assert (await read_after_outage(other)).value == 3
        async with Wakeups(scaler) as wakeups, asyncio.timeout(DEADLINE_S):
            with pytest.raises(SourceRejected, match="topic 'jobs': topic authorization failed"):
                await wakeups.ended()

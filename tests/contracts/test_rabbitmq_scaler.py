"""The RabbitMQ scaler keeps its promises against a real broker, over AMQP and over the management API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scaler.testing.polling import eventually
from scaler.testing.scaler_contract import ScalerContract
from scaler.testing.servers.rabbitmq import RabbitMQServer
from scalers.rabbitmq.queues import RabbitMQScaler

QUEUE = "jobs"

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def server() -> Iterator[RabbitMQServer]:
    with RabbitMQServer.running() as running:
        yield running


class RabbitMQContract(ScalerContract):
    scaler = RabbitMQScaler
    schema = Path(__file__).with_name("schemas") / "rabbitmq.json"
    activation_parameter = "activationValue"

    @pytest.fixture(autouse=True)
    def _queue(self, server: RabbitMQServer) -> None:
        self.server = server
        server.declare(QUEUE)
        self.fill(0)

    def fill(self, items: int) -> None:
        self.server.purge(QUEUE)
        self.server.publish(QUEUE, items)
        # The statistics lag behind the broker.
        eventually(lambda: self.server.messages(QUEUE) == items, what=f"the statistics show {items} messages")

    def url(self, password: str) -> str:
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        return {"host": self.url("guest"), "queueName": QUEUE}

    def missing(self) -> dict[str, Any]:
        return {**self.parameters(), "queueName": "other"}

    def wrong_credentials(self) -> dict[str, Any]:
        return {**self.parameters(), "host": self.url("open-barley")}

    async def set_backlog(self, items: int) -> None:
        await asyncio.to_thread(self.fill, items)

    async def backlog(self) -> int:
        return self.server.messages(QUEUE) or 0

    async def break_source(self) -> None:
        self.server.kill()

    async def restore_source(self) -> None:
        await asyncio.to_thread(self.server.start)
        # A broker that was killed may have forgotten what it was told within the last seconds.
        self.server.declare(QUEUE)

    async def freeze_source(self) -> None:
        self.server.freeze()

    async def thaw_source(self) -> None:
        self.server.thaw()


class TestAmqp(RabbitMQContract):
    def url(self, password: str) -> str:
        return self.server.amqp(password=password)


class TestHttp(RabbitMQContract):
    def url(self, password: str) -> str:
        return self.server.http(password=password)

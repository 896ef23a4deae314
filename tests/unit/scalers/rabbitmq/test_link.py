"""A broker that cannot be: an error that says why, and nothing breaks."""

from __future__ import annotations

import pytest

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceRejected
from scaler.testing.leaks import no_leaks
from scalers.rabbitmq.queues import RabbitMQScaler


@pytest.mark.parametrize("protocol", ["amqp", "http"])
async def test_a_name_that_no_server_can_have_is_rejected(protocol: str) -> None:
    config = RabbitMQScaler.Config.model_validate({"host": f"{protocol}://rabbit..local:5672", "queueName": "jobs"})
    async with (
        no_leaks(),
        SharedConnections() as connections,
        RabbitMQScaler.open(config, connections) as scaler,
    ):
        for _ in range(3):
            with pytest.raises(SourceRejected, match="no server can have this name"):
                await scaler.read()

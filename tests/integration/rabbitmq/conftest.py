"""A broker for the tests of the RabbitMQ scaler, and triggers on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest

from scaler.engine.connections import SharedConnections
from scaler.testing.servers.rabbitmq import RabbitMQServer
from scalers.rabbitmq.queues import RabbitMQScaler

Opened: TypeAlias = Callable[..., AbstractAsyncContextManager[RabbitMQScaler]]


@pytest.fixture(scope="module")
def server() -> Iterator[RabbitMQServer]:
    """One broker for a module: tests use queues of their own names."""
    with RabbitMQServer.running() as running:
        yield running


@pytest.fixture
def opened() -> Opened:
    @asynccontextmanager
    async def open_(**parameters: Any) -> AsyncIterator[RabbitMQScaler]:
        config = RabbitMQScaler.Config.model_validate(parameters)
        async with SharedConnections() as connections, RabbitMQScaler.open(config, connections) as scaler:
            yield scaler

    return open_

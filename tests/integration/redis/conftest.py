"""Servers and shared connections for the tests of the Redis scalers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from scaler.testing.servers.redis import RedisServer


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer.running(keep_data=True) as running:
        yield running


@pytest.fixture
def producer(server: RedisServer) -> Iterator[Any]:
    """A plain client of `server` that survives its outages."""
    with server.client(decode_responses=True) as client:
        # Connected before a test looks for leaks.
        client.ping()
        yield client

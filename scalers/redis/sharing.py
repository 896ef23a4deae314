"""Triggers with the same servers and credentials share a client."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from scaler.ports.connections import Connections
from scalers.redis.client import RedisClient
from scalers.redis.routed import RoutedClient
from scalers.redis.servers import Cluster, Sentinels, Server

Client: TypeAlias = RedisClient | RoutedClient
"""What answers a trigger's commands, and says when something is added to its key."""


def borrow(source: Server | Cluster | Sentinels, connections: Connections) -> AbstractAsyncContextManager[Client]:
    """Borrow the client of a source."""
    if isinstance(source, Server):
        return connections.shared("redis", source, lambda: RedisClient.connect(source))
    kind = "redis-cluster" if isinstance(source, Cluster) else "redis-sentinel"
    return connections.shared(kind, source, lambda: RoutedClient.connect(source))

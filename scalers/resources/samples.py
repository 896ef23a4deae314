"""How cpu and memory are read: from the statistics that the engine gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from scaler.model import Reading
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceUnavailable
from scaler.ports.scaler import ReplicaScaler
from scaler.ports.statistics import Statistics
from scalers.resources.config import ResourceConfig


class ResourceScaler(ReplicaScaler[ResourceConfig]):
    """Reads one resource of the workload's replicas."""

    Config = ResourceConfig

    def __init__(self, config: ResourceConfig) -> None:
        self._container = config.container_name
        self._statistics: Statistics | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, config: ResourceConfig, connections: Connections) -> AsyncIterator[Self]:  # noqa: ARG003
        """Open nothing."""
        yield cls(config)

    def attach(self, statistics: Statistics) -> None:
        """Take the statistics."""
        self._statistics = statistics

    async def read(self) -> Reading:
        """Return what each replica uses."""
        if self._statistics is None:
            raise SourceUnavailable("no statistics of replicas were attached")
        return Reading(samples=await self._statistics.samples(self.resource, self._container))

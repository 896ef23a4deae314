"""The `http` trigger: requests in flight, or their rate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from pydantic import Field

from scaler.model import ConcurrencyPolicy, Reading
from scaler.ports.connections import Connections
from scaler.ports.scaler import TrafficConfig, TrafficScaler
from scaler.ports.traffic import Traffic, TrafficSample


class HttpConfig(TrafficConfig):
    """Parameters of the `http` trigger."""

    concurrent_requests: int = Field(
        10, gt=0, validation_alias="concurrentRequests", description="requests in flight that one replica is to carry"
    )

    def target(self) -> float:
        """Return the requests in flight per replica."""
        return float(self.concurrent_requests)

    def activation(self) -> float:
        """Return that any request makes it active."""
        return 0.0

    def concurrency(self) -> ConcurrencyPolicy | None:
        """Return Knative's defaults."""
        return ConcurrencyPolicy()


class HttpScaler(TrafficScaler[HttpConfig]):
    """Requests in flight, held ones included."""

    type = "http"
    Config = HttpConfig

    def __init__(self) -> None:
        self._traffic: Traffic | None = None
        self._latest: TrafficSample | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, config: HttpConfig, connections: Connections) -> AsyncIterator[Self]:
        """See `Scaler.open`."""
        del config, connections
        yield cls()

    def attach(self, traffic: Traffic) -> None:
        """See `TrafficScaler.attach`."""
        self._traffic = traffic

    async def read(self) -> Reading:
        """See `Scaler.read`."""
        assert self._traffic is not None  # noqa: S101 - attached before the first read
        before, now = self._latest, self._traffic.sample()
        self._latest = now
        mean = None
        came = False
        if before is not None and now.at_s > before.at_s:
            mean = (now.request_seconds - before.request_seconds) / (now.at_s - before.at_s)
            came = now.requests > before.requests
        return Reading(value=float(now.in_flight), active=came or now.in_flight > 0 or bool(mean), mean=mean)

    async def wakeups(self) -> AsyncIterator[None]:
        """See `PushScaler.wakeups`."""
        assert self._traffic is not None  # noqa: S101 - attached before
        async for _ in self._traffic.changes():
            yield

"""Requests to an app that never were: what a test says came, and how much time it says passed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from scaler.ports.errors import SourceUnavailable
from scaler.ports.traffic import TrafficSample


class FakeTraffic:
    """A `Traffic` with a clock of its own, which stands until `wait` is called.

    Attributes:
        now_s: The moment.
        lost: Nothing is known of what is in flight.
    """

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.lost = False
        self._in_flight = 0
        self._request_seconds = 0.0
        self._requests = 0
        self._listeners: set[asyncio.Queue[None]] = set()

    def come(self, requests: int = 1) -> None:
        """Let requests come and stay in flight; the first after none wakes whoever follows the changes."""
        idle = self._in_flight == 0
        self._requests += requests
        self._in_flight += requests
        if idle:
            for queue in self._listeners:
                queue.put_nowait(None)

    def end(self, requests: int = 1) -> None:
        """Let requests end that are in flight."""
        assert requests <= self._in_flight
        self._in_flight -= requests

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds
        self._request_seconds += seconds * self._in_flight

    def sample(self) -> TrafficSample:
        """See `Traffic.sample`."""
        if self.lost:
            raise SourceUnavailable("no proxy has told what it has in flight")
        return TrafficSample(self.now_s, self._in_flight, self._request_seconds, self._requests)

    async def changes(self) -> AsyncIterator[None]:
        """See `Traffic.changes`."""
        queue: asyncio.Queue[None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                await queue.get()
                yield
        finally:
            self._listeners.discard(queue)

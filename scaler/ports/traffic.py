"""The requests to one workload, for scalers that follow them: they see no proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TrafficSample:
    """What is known of an app's requests at one moment. Totals count since the service began; take differences.

    Attributes:
        at_s: The moment, on a monotonic clock.
        in_flight: Requests held and requests that replicas have, each once; WebSockets and streams while open.
        request_seconds: The sum over all requests of how long each was held or in flight: a difference of it divided
            by one of `at_s` is the time-weighted average of `in_flight`.
        requests: How many have come; those that were answered at once without a replica are included, but not those
            that are to start nothing.
    """

    at_s: float
    in_flight: int
    request_seconds: float
    requests: int


class Traffic(Protocol):
    """The requests to one workload."""

    def sample(self) -> TrafficSample:
        """Return what is known now.

        Raises:
            SourceUnavailable: A proxy has not told yet what it has in flight, or the app has no ingress.
        """
        ...

    def changes(self) -> AsyncIterator[None]:
        """Yield when a request came while nothing was in flight, and when the number in flight rose markedly."""
        ...

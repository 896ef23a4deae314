"""Makes the families of series: one prefix for all names, one registry."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary

# Of what goes over a network or to a disk, in seconds.
IO_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Families:
    """Makes families in one registry. Names are given without prefix and unit."""

    def __init__(self, registry: CollectorRegistry, *, prefix: str = "scaler_") -> None:
        self._registry = registry
        self._prefix = prefix

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Make a gauge."""
        return Gauge(f"{self._prefix}{name}", text, labels, registry=self._registry)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Make a counter."""
        return Counter(f"{self._prefix}{name}", text, labels, registry=self._registry)

    def seconds(self, name: str, text: str, *labels: str, buckets: tuple[float, ...] = IO_S) -> Histogram:
        """Make a histogram of durations."""
        return Histogram(f"{self._prefix}{name}_seconds", text, labels, buckets=buckets, registry=self._registry)

    def sums_of_seconds(self, name: str, text: str, *labels: str) -> Summary:
        """Make a number and a sum of durations, which give their average: a fraction of a histogram's series."""
        return Summary(f"{self._prefix}{name}_seconds", text, labels, registry=self._registry)

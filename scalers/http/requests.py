"""The `http` trigger: requests in flight, or their rate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from scaler.model import MetricType, Reading
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceUnavailable
from scaler.ports.scaler import TrafficScaler
from scaler.ports.traffic import Traffic, TrafficSample
from scalers.http.arrivals import Arrivals
from scalers.http.config import HttpConfig


class HttpScaler(TrafficScaler[HttpConfig]):
    """Requests to the app itself: in flight and held, or their rate.

    Reads:
        With `metric: concurrency`, the requests in flight: those that wait for a replica and those that replicas have,
        each once; WebSockets and streams count while they are open. Beside it the reading has the time-weighted
        average since the last one, so that nothing that came and went in between is lost. The decision averages it
        over a stable and a panic window by Knative's rules (see "Requests in flight" in the page on decisions).

        With `metric: rate`, the requests of the past 15 s divided by 15, as Azure documents its rule: plain requests
        per second, whatever each takes, and of slow requests therefore few. `concurrentRequests` is then the requests
        per second of one replica, no window of Knative's applies, and a `behavior` or its default of 300 s smooths.

        `metricType` is `AverageValue`, and nothing else: the target is what one replica carries.

    Active:
        While any request is in flight or held, or came since the last reading; and with `metric: rate` while the rate
        is above 0. So the cooldown begins when the last request ends, and a request that takes hours keeps its app up.
        Requests that the ingress answers by itself and that are to start nothing (`hold.exclude`, the wrong address,
        redirects to HTTPS) do not count.

    Push:
        The first request after none, and a marked rise of the number in flight, cause a reading at once: a start from
        zero begins with the request, not with the next poll.

    Errors:
        | error | meaning | what to do |
        |---|---|---|
        | an app with ingress is expected | the manifest's app has none, or the target is no app of ours | give the app `ingress`, or use another trigger |
        | nothing counts the requests | the trigger runs without an ingress | see the service's settings of the ingress |
        | any other | no proxy has told what it has in flight | look for the proxy's state in the logs; the count is held |

    Differences from KEDA:
        KEDA's core has no such trigger; its HTTP add-on counts in a proxy of its own.

        | KEDA's HTTP add-on | here |
        |---|---|
        | `HTTPScaledObject` or `InterceptorRoute`, and an `external-push` trigger | a rule `http` of the app, or a trigger `http` of its ScaledObject |
        | `scalingMetric.concurrency.targetValue` 100, the number of one moment | `concurrentRequests` 10, as Azure has it, averaged over time |
        | `scalingMetric.requestRate` over a `window` of 1 min | `metric: rate` over Azure's 15 s |
        | the proxy is in the way of every request | only of those that find no replica ready |

        From Knative it differs in `targetUtilizationPercentage`, 100 here and 70 there: Azure's
        `concurrentRequests: 10` means 10 in flight per replica, and a manifest must not mean 7. With 70 replicas are
        added before the present ones are full.
    """  # noqa: E501 - tables

    type = "http"
    Config = HttpConfig
    metric_types = frozenset({MetricType.AVERAGE_VALUE})
    counts_in_progress = True

    def __init__(self, config: HttpConfig) -> None:
        self._arrivals = Arrivals() if config.metric == "rate" else None
        self._traffic: Traffic | None = None
        self._latest: TrafficSample | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, config: HttpConfig, connections: Connections) -> AsyncIterator[Self]:
        """See `Scaler.open`."""
        del connections
        yield cls(config)

    def attach(self, traffic: Traffic) -> None:
        """See `TrafficScaler.attach`."""
        self._traffic = traffic

    async def read(self) -> Reading:
        """See `Scaler.read`."""
        if self._traffic is None:
            raise SourceUnavailable("nothing counts the requests: there is no ingress")
        before, now = self._latest, self._traffic.sample()
        self._latest = now
        came = before is not None and now.requests > before.requests
        if self._arrivals is not None:
            self._arrivals.add(now.at_s, now.requests)
            rate = self._arrivals.per_second()
            return Reading(value=rate, active=came or now.in_flight > 0 or rate > 0)
        mean = None if before is None else _mean(before, now)
        return Reading(value=float(now.in_flight), active=came or now.in_flight > 0 or bool(mean), mean=mean)

    async def wakeups(self) -> AsyncIterator[None]:
        """See `PushScaler.wakeups`."""
        if self._traffic is None:
            return
        async for _ in self._traffic.changes():
            yield


def _mean(before: TrafficSample, now: TrafficSample) -> float | None:
    """Return how many requests were in flight on average between two samples; None where none lies between them."""
    if now.at_s <= before.at_s or now.request_seconds < before.request_seconds:
        return None
    return (now.request_seconds - before.request_seconds) / (now.at_s - before.at_s)

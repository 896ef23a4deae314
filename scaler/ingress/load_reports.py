"""The load reporting service: every Envoy tells it (LRS) what its clusters and endpoints have in flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any, Protocol

import grpc.aio
import structlog
from envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest, LoadStatsResponse

from scaler.model import Endpoint

SERVICE = "envoy.service.load_stats.v3.LoadReportingService"
# How often an Envoy reports: twice within the half second in which a burst is to be seen. A thousand clusters, of which
# a hundred are busy, then take half a percent of a core.
INTERVAL_S = 0.25
# How long the counts of an Envoy whose stream broke are kept: it tries again 5 s later, a constant in its code.
GRACE_S = 10.0
# A change of the list starts Envoy's interval anew. Where this many intervals have passed without a report, changes
# wait for the next one: an unbroken sequence of changes could otherwise put it off for ever.
_LATE_INTERVALS = 2

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class EndpointLoad:
    """What an endpoint, or a cluster, of one Envoy has.

    Attributes:
        in_progress: Requests that are with it at the moment of the report.
        issued: Requests that were given to it since the last report; a retry is one more.
    """

    in_progress: int = 0
    issued: int = 0


@dataclass(slots=True)
class ClusterLoad(EndpointLoad):
    """The sum over a cluster's endpoints, and those that have anything."""

    endpoints: dict[Endpoint, EndpointLoad] = field(default_factory=dict)


class LoadListener(Protocol):
    """Takes what the proxies report. Must neither block nor raise."""

    def connected(self, proxy: str) -> None:
        """A proxy is there, and has not reported yet; or it is back."""

    def reported(self, proxy: str, loads: Mapping[str, ClusterLoad]) -> None:
        """A proxy reported: the clusters that have anything, by name; all others have nothing."""

    def gone(self, proxy: str, requests: int) -> None:
        """A proxy is gone, and with it so many requests that were in progress or held when it reported last."""


@dataclass(slots=True)
class _Stream:
    """One Envoy's stream of reports; `changed` is set when it is to be sent a new list.

    `named` are the clusters of its latest report, those with nothing included: what it has by then of our lists.
    """

    proxy: str
    node: str
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    reported: asyncio.Event = field(default_factory=asyncio.Event)
    reported_at: float = 0.0
    named: frozenset[str] = frozenset()
    dead: bool = False


class LoadReports:
    """Asks every Envoy that connects for reports, and passes them on."""

    def __init__(
        self,
        listener: LoadListener,
        *,
        holds: str | None = None,
        interval_s: float = INTERVAL_S,
        grace_s: float = GRACE_S,
    ) -> None:
        """Make it.

        Args:
            listener: Who is told.
            holds: The cluster by which Envoys reach the holding service: what one has in progress there are the
                requests that it holds, which are lost with it. None counts none.
            interval_s: How often each Envoy reports.
            grace_s: How long an Envoy whose stream broke may stay away until it is gone.
        """
        self._listener = listener
        self._interval_s = interval_s
        self._grace_s = grace_s
        self._holds = holds
        self._own = frozenset() if holds is None else frozenset((holds,))
        self._clusters = self._own
        self._streams: dict[str, _Stream] = {}
        self._away: dict[str, asyncio.TimerHandle] = {}
        self._in_progress: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._closed = False

    def register(self, server: grpc.aio.Server) -> None:
        """Let a server offer it."""
        method: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=LoadStatsRequest.FromString,
            response_serializer=LoadStatsResponse.SerializeToString,
        )
        handler = grpc.method_handlers_generic_handler(SERVICE, {"StreamLoadStats": method})
        server.add_generic_rpc_handlers((handler,))

    def watch(self, clusters: frozenset[str]) -> None:
        """Have all Envoys report of these clusters and no others, from now on.

        Requests in progress are reported as they are; issued ones from the moment that an Envoy has been told, or
        from the beginning where the cluster was watched before it existed. Those that are in progress when an Envoy
        first reports of a cluster are told as issued, too: they were, if only before it had been told.
        """
        if clusters | self._own != self._clusters:
            self._clusters = clusters | self._own
            for stream in self._streams.values():
                stream.changed.set()

    def in_progress(self) -> int:
        """Return how many requests all Envoys together had in progress when they reported last."""
        return sum(self._in_progress.values())

    def forget(self, node: str) -> None:
        """Take note that the Envoy with this node id has died: it is gone now, or as soon as its stream ends."""
        for stream in self._streams.values():
            stream.dead |= stream.node == node
        for proxy in [proxy for proxy in self._away if _node_of(proxy) == node]:
            self._gone(proxy)

    def close(self) -> None:
        """Stop waiting for those that are away, and wait for none that leaves from now on."""
        self._closed = True
        for timer in self._away.values():
            timer.cancel()
        self._away.clear()

    async def _stream(self, messages: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Serve one Envoy until its stream ends."""
        first = await anext(messages, None)
        if first is None:
            return
        stream = self._enter(first.node.id)
        writing = asyncio.create_task(self._tell(stream, context), name=f"load-reports:{stream.proxy}")
        writing.add_done_callback(_take_exception)
        try:
            # An Envoy that was connected before goes on with the list that it has, and begins with a report: of the
            # time since its last one, so what it issued then is not counted.
            if first.cluster_stats:
                self._take(stream, first, issued=False)
            async for message in messages:
                self._take(stream, message)
        finally:
            writing.cancel()
            self._leave(stream)

    async def _tell(self, stream: _Stream, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Send the list of clusters, at first and whenever it changed."""
        loop = asyncio.get_running_loop()
        while True:
            stream.changed.clear()
            response = LoadStatsResponse(clusters=sorted(self._clusters), report_endpoint_granularity=True)
            response.load_reporting_interval.FromMilliseconds(round(self._interval_s * 1000))
            await context.write(response)
            await stream.changed.wait()
            if loop.time() - stream.reported_at > _LATE_INTERVALS * self._interval_s:
                stream.reported.clear()
                await stream.reported.wait()

    def _enter(self, node: str) -> _Stream:
        """Take in a new stream: of an Envoy that was away where one of that node is, else of one more."""
        proxy = next((proxy for proxy in self._away if _node_of(proxy) == node), "")
        if proxy:
            self._away.pop(proxy).cancel()
        else:
            proxy = next(name for number in count(1) if (name := f"{node}#{number}") not in self._streams)
        stream = self._streams[proxy] = _Stream(proxy, node, reported_at=asyncio.get_running_loop().time())
        log.info("load_reports_connected", proxy=proxy)
        self._listener.connected(proxy)
        return stream

    def _leave(self, stream: _Stream) -> None:
        """Keep what it reported last until it is back, or the grace is over."""
        del self._streams[stream.proxy]
        if self._closed:
            return
        self._away[stream.proxy] = asyncio.get_running_loop().call_later(self._grace_s, self._gone, stream.proxy)
        if stream.dead:
            self._gone(stream.proxy)

    def _gone(self, proxy: str) -> None:
        self._away.pop(proxy).cancel()
        lost = self._in_progress.pop(proxy, 0) + self._held.pop(proxy, 0)
        log.info("load_reports_lost", proxy=proxy, requests=lost)
        self._listener.gone(proxy, lost)

    def _take(self, stream: _Stream, request: Any, *, issued: bool = True) -> None:
        stream.reported_at = asyncio.get_running_loop().time()
        named = frozenset(cluster.cluster_name for cluster in request.cluster_stats)
        loads = loads_of(request, issued=issued, new=named - stream.named)
        stream.named = named
        if self._holds is not None:
            self._held[stream.proxy] = loads.pop(self._holds, ClusterLoad()).in_progress
        self._in_progress[stream.proxy] = sum(load.in_progress for load in loads.values())
        self._listener.reported(stream.proxy, loads)
        stream.reported.set()


def loads_of(request: Any, *, issued: bool = True, new: frozenset[str] = frozenset()) -> dict[str, ClusterLoad]:
    """Return what a LoadStatsRequest says, of clusters that have anything.

    Args:
        request: The message.
        issued: Read the requests issued, too; otherwise they are 0.
        new: Clusters that it is the first to tell of: what they have in progress was issued, whenever that was.
    """
    loads: dict[str, ClusterLoad] = {}
    for cluster in request.cluster_stats:
        # Envoy leaves out localities and endpoints that have nothing: most clusters of many are but a name.
        localities = cluster.upstream_locality_stats
        if not localities:
            continue
        load = loads[cluster.cluster_name] = ClusterLoad()
        for locality in localities:
            for stats in locality.upstream_endpoint_stats:
                _add(load, stats, issued=issued, new=cluster.cluster_name in new)
    return loads


def _add(load: ClusterLoad, stats: Any, *, issued: bool, new: bool) -> None:
    address = stats.address.socket_address
    endpoint = load.endpoints.setdefault(_endpoint(address.address, address.port_value), EndpointLoad())
    in_progress = stats.total_requests_in_progress
    endpoint.in_progress += in_progress
    load.in_progress += in_progress
    if issued:
        count = max(stats.total_issued_requests, in_progress if new else 0)
        endpoint.issued += count
        load.issued += count


def _take_exception(writing: asyncio.Task[None]) -> None:
    """Take note of why a stream can no longer be written to: it has ended, which its reader sees, too."""
    if not writing.cancelled() and (error := writing.exception()) is not None:
        log.debug("load_reports_not_written", error=str(error))


@lru_cache(maxsize=10_000)
def _endpoint(host: str, port: int) -> Endpoint:
    """Return an endpoint; the same few are in every report."""
    return Endpoint(host, port)


def _node_of(proxy: str) -> str:
    return proxy.rpartition("#")[0]

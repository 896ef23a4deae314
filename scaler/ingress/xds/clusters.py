"""Clusters: how Envoy speaks to an app's replicas. Where they are comes by EDS."""

from __future__ import annotations

from typing import Any

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.core.v3 import address_pb2, config_source_pb2, protocol_pb2
from envoy.config.route.v3 import route_components_pb2 as components
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.type.v3 import percent_pb2

from scaler.ingress.xds.naming import h2_cluster
from scaler.ingress.xds.packing import duration, packed

# Replicas are on this machine or the next: one that does not accept by then is tried elsewhere.
CONNECT_TIMEOUT_S = 2.0

# An idle connection is closed here before the app's own server closes it, because a request that is written to a
# connection just as the other side closes it is lost, and may not be sent again: it could have reached the app. The
# shortest keep-alive time-outs by default are gunicorn's (2 s) and those of Node and uvicorn (5 s).
UPSTREAM_IDLE_S = 1.5

# What is read ahead of the other side, for each direction of a connection; Envoy's advice for an edge proxy.
BUFFER_BYTES = 32 * 1024

# Envoy's limits (1,024 connections, 3 retries ...) would fail requests where we want them to wait or be retried.
UNLIMITED = 1_000_000

# As many replicas as this are compared for each request; the least busy one gets it.
_CHOICES = 5

# Sent again is only what cannot have reached a replica: nothing else is safe. A replica that was just killed refuses
# connections until its endpoint is gone, which takes as long as noticing it does; if it was the only one, its requests
# wait for the next, some eight seconds as each pause is half the longest on average.
RETRY_ON = "connect-failure,refused-stream,reset-before-request"
RETRIES = 40
_FIRST_BACKOFF_S = 0.001
_LONGEST_BACKOFF_S = 0.5
_OTHER_HOST_ATTEMPTS = 10

_STREAM_WINDOW = 256 * 1024
_CONNECTION_WINDOW = 1024 * 1024
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def from_ads() -> config_source_pb2.ConfigSource:
    """Return that a resource comes over the stream that all come over."""
    return config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(),
        resource_api_version=config_source_pb2.ApiVersion.V3,
        # No time-out: without what was asked for, Envoy would go on as if there were nothing.
        initial_fetch_timeout=duration(0),
    )


def http2_options(*, max_concurrent_streams: int) -> protocol_pb2.Http2ProtocolOptions:
    """Return how HTTP/2 is spoken on either side: windows for uploads over real distances, and WebSocket (RFC 8441)."""
    return protocol_pb2.Http2ProtocolOptions(
        max_concurrent_streams={"value": max_concurrent_streams},
        initial_stream_window_size={"value": _STREAM_WINDOW},
        initial_connection_window_size={"value": _CONNECTION_WINDOW},
        allow_connect=True,
    )


def cluster(name: str, *, http2: bool) -> Any:
    """Return a cluster that gives each request to the least busy of some replicas, never to one that is draining.

    No replica is chosen when none is healthy (no panic), and a change of endpoints holds at once.
    """
    return cluster_pb2.Cluster(
        name=name,
        type=cluster_pb2.Cluster.EDS,
        eds_cluster_config=cluster_pb2.Cluster.EdsClusterConfig(eds_config=from_ads()),
        connect_timeout=duration(CONNECT_TIMEOUT_S),
        per_connection_buffer_limit_bytes={"value": BUFFER_BYTES},
        lb_policy=cluster_pb2.Cluster.LEAST_REQUEST,
        least_request_lb_config=cluster_pb2.Cluster.LeastRequestLbConfig(choice_count={"value": _CHOICES}),
        common_lb_config=cluster_pb2.Cluster.CommonLbConfig(
            healthy_panic_threshold=percent_pb2.Percent(value=0), update_merge_window=duration(0)
        ),
        circuit_breakers=circuit_breaker_pb2.CircuitBreakers(
            thresholds=[
                circuit_breaker_pb2.CircuitBreakers.Thresholds(
                    max_connections={"value": UNLIMITED},
                    max_pending_requests={"value": UNLIMITED},
                    max_requests={"value": UNLIMITED},
                    max_retries={"value": UNLIMITED},
                )
            ]
        ),
        upstream_connection_options=cluster_pb2.UpstreamConnectionOptions(
            tcp_keepalive=address_pb2.TcpKeepalive(
                keepalive_probes={"value": 3}, keepalive_time={"value": 30}, keepalive_interval={"value": 10}
            )
        ),
        typed_extension_protocol_options={_HTTP_OPTIONS: packed(_protocol(http2=http2))},
    )


def app_clusters(app: str, names: tuple[str, ...]) -> tuple[Any, ...]:
    """Return an app's clusters of these names; see `naming.clusters_of`."""
    return tuple(cluster(name, http2=name == h2_cluster(app)) for name in names)


def _protocol(*, http2: bool) -> http_protocol_options_pb2.HttpProtocolOptions:
    explicit = http_protocol_options_pb2.HttpProtocolOptions.ExplicitHttpConfig()
    if http2:
        explicit.http2_protocol_options.CopyFrom(http2_options(max_concurrent_streams=UNLIMITED))
        keepalive = explicit.http2_protocol_options.connection_keepalive
        keepalive.interval.CopyFrom(duration(30))
        keepalive.timeout.CopyFrom(duration(10))
    else:
        explicit.http_protocol_options.SetInParent()
    return http_protocol_options_pb2.HttpProtocolOptions(
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(idle_timeout=duration(UPSTREAM_IDLE_S)),
        explicit_http_config=explicit,
        # Here and not at the routes, of which those of all apps are read again when one changes.
        retry_policy=_retry_policy(),
    )


def _retry_policy() -> components.RetryPolicy:
    others = components.RetryPolicy.RetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts",
        typed_config=packed(previous_hosts_pb2.PreviousHostsPredicate()),
    )
    return components.RetryPolicy(
        retry_on=RETRY_ON,
        num_retries={"value": RETRIES},
        retry_host_predicate=[others],
        host_selection_retry_max_attempts=_OTHER_HOST_ATTEMPTS,
        retry_back_off=components.RetryPolicy.RetryBackOff(
            base_interval=duration(_FIRST_BACKOFF_S), max_interval=duration(_LONGEST_BACKOFF_S)
        ),
    )

"""What an Envoy begins with: how to reach us for all the rest, and what it may use of the machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from scaler.ingress.settings import Listen
from scaler.ingress.xds.naming import CALLS_PER_CONNECTION, CONTROL_CLUSTER, HOLD_CLUSTER, HOLD_SOCKET

_TYPE = "type.googleapis.com/"
_UNBOUNDED = 1_000_000
# What is done as more of the heap is used: first what is free is given back to the machine.
_AT_HEAP_SHARE = {"shrink_heap": 0.9, "stop_accepting_requests": 0.95}
# Connections of clients to a proxy of which we do not know how many descriptors it may have.
DEFAULT_MAX_CONNECTIONS = 50_000

# Of the statistics, which Envoy keeps about a hundred of for each app, those that someone reads here or would look
# for when something is wrong. Load reports and circuit breakers count apart from these.
_STATS_PREFIXES = (
    "cluster_manager.",
    f"cluster.{CONTROL_CLUSTER}.",
    f"cluster.{HOLD_CLUSTER}.",
    "control_plane.",
    "listener_manager.",
    "load_reporter.",
    "overload.",
    "runtime.",
    "server.",
)
_STATS_OF_CLUSTERS = (
    r"upstream_rq_(total|active|completed|[1245]xx|retry|timeout|pending_active|pending_overflow)"
    r"|upstream_cx_(active|total|connect_fail)|membership_(total|healthy)|ext_authz\.(ok|denied|error)"
)
_STATS_OF_HTTP = (
    r"downstream_rq_(total|active|completed|[1245]xx|timeout)|downstream_cx_(active|total)"
    r"|rds\..+\.update_rejected|ext_authz\.(ok|denied|error)"
)
_STATS_OF_LISTENERS = r"downstream_cx_(active|total|overflow|overload_reject)|ssl\.connection_error"
_STATS_REGEX = (
    rf"^cluster\..+\.({_STATS_OF_CLUSTERS})$",
    rf"^http\..+\.({_STATS_OF_HTTP})$",
    rf"^listener\..+\.({_STATS_OF_LISTENERS})$",
)


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What the bootstrap of one Envoy depends on.

    Attributes:
        control_socket: Path of `control.sock` as that Envoy sees it; may be relative to its working directory.
            The socket of the holding service is beside it.
        node: Its name among the proxies.
        admin_socket: Where it offers its administration, as it sees it; None for none there.
        admin: The same as an address; it lets whoever reaches it end the proxy, so it belongs on loopback.
        max_connections: Of clients at once; further ones are closed at once.
        max_heap_bytes: When nearly so much memory is allocated, new requests are answered 503: bodies that are kept to
            be sent again are bounded for each request only. None does not bound it.
    """

    control_socket: str
    node: str
    admin_socket: str | None = None
    admin: Listen | None = None
    max_connections: int = DEFAULT_MAX_CONNECTIONS
    max_heap_bytes: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as Envoy reads it."""
        hold_socket = PurePath(self.control_socket).with_name(HOLD_SOCKET)
        bootstrap: dict[str, Any] = {
            "node": {"id": self.node, "cluster": "scaler"},
            "static_resources": {
                "clusters": [
                    _own_cluster(CONTROL_CLUSTER, self.control_socket, streams=_UNBOUNDED),
                    _own_cluster(HOLD_CLUSTER, str(hold_socket), streams=CALLS_PER_CONNECTION),
                ]
            },
            "dynamic_resources": {
                "ads_config": {
                    "api_type": "GRPC",
                    "transport_api_version": "V3",
                    "set_node_on_first_message_only": True,
                    "grpc_services": [{"envoy_grpc": {**_CONTROL, "retry_policy": _RECONNECT}}],
                },
                "cds_config": _FROM_ADS,
                "lds_config": _FROM_ADS,
            },
            "cluster_manager": {
                "load_stats_config": {
                    "api_type": "GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [{"envoy_grpc": _CONTROL}],
                }
            },
            "overload_manager": _overload_manager(self.max_connections, self.max_heap_bytes),
            "stats_config": {
                "use_all_default_tags": False,
                "stats_matcher": {
                    "inclusion_list": {
                        "patterns": [
                            *({"prefix": prefix} for prefix in _STATS_PREFIXES),
                            *({"safe_regex": {"regex": regex}} for regex in _STATS_REGEX),
                        ]
                    }
                },
            },
            # An app that gets no requests needs no statistics of them.
            "deferred_stat_options": {"enable_deferred_creation_stats": True},
            # Nobody is sent statistics: they are put together when someone asks, not every five seconds.
            "stats_flush_on_admin": True,
        }
        if self.admin_socket is not None:
            bootstrap["admin"] = {"address": {"pipe": {"path": self.admin_socket, "mode": 0o600}}}
        elif self.admin is not None:
            bootstrap["admin"] = {"address": _address(self.admin)}
        return bootstrap

    def fingerprint(self) -> str:
        """Return what two bootstraps have in common exactly when they are the same."""
        return fingerprint(self.as_json())


def fingerprint(value: Mapping[str, Any]) -> str:
    """Return a short text that two JSON values share exactly when they are the same."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


_CONTROL: dict[str, Any] = {"cluster_name": CONTROL_CLUSTER}
# A service that comes back is to be heard within a second.
_RECONNECT: dict[str, Any] = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}
# No time-out: a proxy that we have told nothing yet is not ready, and would answer 404 to everyone.
_FROM_ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}


def _own_cluster(name: str, socket: str, *, streams: int) -> dict[str, Any]:
    """Return a way to us; `streams` is how many calls one connection takes."""
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        # Each held request is a request to us: what is too much, we say.
        "circuit_breakers": {
            "thresholds": [
                {
                    "priority": priority,
                    "max_connections": _UNBOUNDED,
                    "max_pending_requests": _UNBOUNDED,
                    "max_requests": _UNBOUNDED,
                    "max_retries": _UNBOUNDED,
                }
                for priority in ("DEFAULT", "HIGH")
            ]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPE}envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    "http2_protocol_options": {
                        "max_concurrent_streams": streams,
                        # The least that HTTP/2 allows: our answers are small.
                        "initial_stream_window_size": 65535,
                        "initial_connection_window_size": 1024 * 1024,
                    }
                },
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": socket}}}}]}],
        },
    }


def _overload_manager(max_connections: int, max_heap_bytes: int | None) -> dict[str, Any]:
    connections = _monitor(
        "global_downstream_max_connections",
        "downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=max_connections,
    )
    if max_heap_bytes is None:
        return {"refresh_interval": "0.25s", "resource_monitors": [connections]}
    heap = _monitor("fixed_heap", "fixed_heap.v3.FixedHeapConfig", max_heap_size_bytes=max_heap_bytes)
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [connections, heap],
        "actions": [
            {
                "name": f"envoy.overload_actions.{name}",
                "triggers": [{"name": heap["name"], "threshold": {"value": share}}],
            }
            for name, share in _AT_HEAP_SHARE.items()
        ],
    }


def _monitor(name: str, kind: str, **config: int) -> dict[str, Any]:
    typed = {"@type": f"{_TYPE}envoy.extensions.resource_monitors.{kind}", **config}
    return {"name": f"envoy.resource_monitors.{name}", "typed_config": typed}


def _address(listen: Listen) -> dict[str, Any]:
    return {"socket_address": {"address": listen.host, "port_value": listen.port}}

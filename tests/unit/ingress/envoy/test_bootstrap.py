"""The bootstrap: what Envoy begins with, checked against Envoy's own schema."""

from __future__ import annotations

import json
import re

import psutil
import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap as EnvoyBootstrap
from envoy.extensions.resource_monitors.downstream_connections.v3 import (
    downstream_connections_pb2,  # noqa: F401 - makes its type known to ParseDict
)
from envoy.extensions.resource_monitors.fixed_heap.v3 import fixed_heap_pb2  # noqa: F401 - the same
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2  # noqa: F401 - the same
from google.protobuf import json_format

from scaler.ingress.envoy import process
from scaler.ingress.envoy.bootstrap import Bootstrap
from scaler.ingress.settings import Listen
from scaler.ingress.xds.naming import CONTROL_CLUSTER, HOLD_CLUSTER


def parsed(bootstrap: Bootstrap) -> EnvoyBootstrap:
    return json_format.ParseDict(bootstrap.as_json(), EnvoyBootstrap())


def test_all_ways_to_us_lead_through_our_sockets_with_no_bound_on_held_requests() -> None:
    bootstrap = parsed(Bootstrap("/state/control.sock", "edge"))
    sockets = {}
    for cluster in bootstrap.static_resources.clusters:
        (endpoints,) = cluster.load_assignment.endpoints
        sockets[cluster.name] = endpoints.lb_endpoints[0].endpoint.address.pipe.path
        for bounds in cluster.circuit_breakers.thresholds:
            assert bounds.max_connections.value == bounds.max_requests.value == 1_000_000
            assert bounds.max_pending_requests.value == 1_000_000
    assert sockets == {CONTROL_CLUSTER: "/state/control.sock", HOLD_CLUSTER: "/state/hold.sock"}
    ways = [
        *bootstrap.dynamic_resources.ads_config.grpc_services,
        *bootstrap.cluster_manager.load_stats_config.grpc_services,
    ]
    assert [way.envoy_grpc.cluster_name for way in ways] == [CONTROL_CLUSTER] * 2
    assert bootstrap.node.id == "edge"


def test_administration_is_offered_only_where_asked_for() -> None:
    assert not parsed(Bootstrap("s", "n")).HasField("admin")
    assert parsed(Bootstrap("s", "n", admin_socket="admin.sock")).admin.address.pipe.mode == 0o600
    loopback = parsed(Bootstrap("s", "n", admin=Listen("127.0.0.1", 9901))).admin.address.socket_address
    assert (loopback.address, loopback.port_value) == ("127.0.0.1", 9901)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("cluster.app/shop.upstream_rq_active", True),
        ("cluster.app/shop.upstream_rq_5xx", True),
        ("cluster.app/shop.upstream_rq_503", False),
        ("cluster.app/shop.upstream_cx_rx_bytes_total", False),
        ("cluster.app/shop.lb_zone_routing_sampled", False),
        (f"cluster.{CONTROL_CLUSTER}.upstream_rq_active", True),
        ("http.external.downstream_rq_active", True),
        ("http.external.downstream_rq_time", False),
        ("server.total_connections", True),
        ("vhost.shop.vcluster.other.upstream_rq_200", False),
    ],
)
def test_of_the_statistics_those_are_kept_that_someone_reads(name: str, kept: bool) -> None:  # noqa: FBT001
    patterns = parsed(Bootstrap("s", "n")).stats_config.stats_matcher.inclusion_list.patterns
    assert kept == any(
        name.startswith(pattern.prefix) if pattern.prefix else re.fullmatch(pattern.safe_regex.regex, name)
        for pattern in patterns
    )


def test_launches_that_start_the_same_have_one_fingerprint() -> None:
    assert process.launch(2).fingerprint == process.launch(2).fingerprint
    assert len({process.launch(each).fingerprint for each in (None, 1, 2)}) == 3


def test_more_clients_than_there_are_descriptors_for_are_turned_away() -> None:
    (monitor,) = parsed(Bootstrap("s", "n")).overload_manager.resource_monitors
    assert monitor.name == "envoy.resource_monitors.global_downstream_max_connections"
    assert 0 < process.launch(1).bootstrap.max_connections <= 50_000


def test_less_memory_is_used_than_the_machine_has() -> None:
    bootstrap = process.launch(1).bootstrap
    assert 0 < (bootstrap.max_heap_bytes or 0) < psutil.virtual_memory().total
    actions = {action.name: action.triggers[0] for action in parsed(bootstrap).overload_manager.actions}
    assert actions["envoy.overload_actions.stop_accepting_requests"].name == "envoy.resource_monitors.fixed_heap"
    assert not parsed(Bootstrap("s", "n")).overload_manager.actions


def test_it_is_plain_json() -> None:
    bootstrap = Bootstrap("s", "n").as_json()
    assert json.loads(json.dumps(bootstrap)) == bootstrap

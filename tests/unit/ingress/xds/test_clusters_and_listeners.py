"""Clusters, endpoints and listeners: the settings that others count on."""

from __future__ import annotations

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import health_check_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from scaler.ingress.settings import Listen
from scaler.ingress.site import Backend
from scaler.ingress.xds import clusters, endpoints, http_filters, listeners
from scaler.ingress.xds.certificates import Certificate
from scaler.ingress.xds.naming import HOLD_CLUSTER, Side
from scaler.model import Endpoint

AT = Listen("127.0.0.1", 8480)


def manager_of(chain: object) -> hcm.HttpConnectionManager:
    found = hcm.HttpConnectionManager()
    assert chain.filters[0].typed_config.Unpack(found)  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("http2", [False, True])
def test_a_cluster_never_panics_and_changes_at_once(*, http2: bool) -> None:
    cluster = clusters.cluster("app/a", http2=http2)
    assert cluster.type == cluster_pb2.Cluster.EDS
    assert cluster.lb_policy == cluster_pb2.Cluster.LEAST_REQUEST
    assert cluster.common_lb_config.healthy_panic_threshold.value == 0
    assert cluster.common_lb_config.HasField("update_merge_window")
    assert cluster.common_lb_config.update_merge_window.seconds == 0
    (limits,) = cluster.circuit_breakers.thresholds
    assert {limits.max_connections.value, limits.max_requests.value, limits.max_retries.value} == {1_000_000}
    options = http_protocol_options_pb2.HttpProtocolOptions()
    (packed,) = cluster.typed_extension_protocol_options.values()
    assert packed.Unpack(options)
    assert options.explicit_http_config.HasField("http2_protocol_options") is http2
    assert options.retry_policy.retry_on == "connect-failure,refused-stream,reset-before-request"


def test_draining_replicas_stay_in_the_endpoints() -> None:
    backends = [Backend("a", Endpoint("10.0.0.1", 80)), Backend("b", Endpoint("fd00::1", 81), draining=True)]
    (locality,) = endpoints.load_assignment("app/a", backends).endpoints
    found = [
        (
            each.endpoint.address.socket_address.address,
            each.endpoint.address.socket_address.port_value,
            each.health_status,
        )
        for each in locality.lb_endpoints
    ]
    assert found == [("10.0.0.1", 80, health_check_pb2.HEALTHY), ("fd00::1", 81, health_check_pb2.DRAINING)]


def test_a_cluster_without_replicas_has_endpoints_nonetheless() -> None:
    assert endpoints.load_assignment("app/a", ()).cluster_name == "app/a"


def test_filters_are_in_order_and_off_but_for_the_router() -> None:
    found = [(each.name, each.disabled) for each in http_filters.http_filters()]
    assert found == [
        (http_filters.RBAC, True),
        (http_filters.CORS, True),
        (http_filters.EXT_AUTHZ, True),
        (http_filters.ROUTER, False),
    ]


def test_a_hold_fails_closed_and_is_asked_for_again() -> None:
    hold = ext_authz_pb2.ExtAuthz()
    found = {each.name: each for each in http_filters.http_filters()}
    assert found[http_filters.EXT_AUTHZ].typed_config.Unpack(hold)
    assert hold.grpc_service.envoy_grpc.cluster_name == HOLD_CLUSTER
    assert (hold.failure_mode_allow, hold.status_on_error.code) == (False, 503)
    assert hold.grpc_service.retry_policy.num_retries.value > 30


def test_each_side_has_its_routes() -> None:
    for side in Side:
        (chain,) = listeners.plain_listener("x", AT, side).filter_chains
        assert manager_of(chain).rds.route_config_name == side.value


def test_certificates_are_chosen_by_name_and_the_default_serves_the_rest() -> None:
    default, shop = Certificate("default", b"d", b"d"), Certificate("shop", b"s", b"s")
    listener = listeners.tls_listener(AT, default, {"b.example": shop, "a.example": shop})
    found = []
    for chain in listener.filter_chains:
        context = tls_pb2.DownstreamTlsContext()
        assert chain.transport_socket.typed_config.Unpack(context)
        (pair,) = context.common_tls_context.tls_certificates
        found.append((list(chain.filter_chain_match.server_names), pair.certificate_chain.inline_bytes))
        assert context.common_tls_context.alpn_protocols == ["h2", "http/1.1"]
    assert found == [(["a.example", "b.example"], b"s"), ([], b"d")]

"""Routes of an app: where requests go, when they are held, and how long they may take."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2

from scaler.ingress.site import Site
from scaler.ingress.xds import http_filters, naming, routes
from scaler.ingress.xds.naming import Side
from scaler.model import AddressRestriction, CorsPolicy, Hold, Ingress, Transport


def host_of(site: Site, **given: Any) -> Any:
    return routes.virtual_host(site, ("app.localhost",), **given)


def test_a_cold_app_is_held_with_its_name_as_the_context() -> None:
    host = host_of(Site("app", Ingress(80)))
    held = ext_authz_pb2.ExtAuthzPerRoute()
    host.typed_per_filter_config[http_filters.EXT_AUTHZ].Unpack(held)
    assert dict(held.check_settings.context_extensions) == {naming.APP_KEY: "app"}
    assert host.request_body_buffer_limit.value == routes.HELD_BODY_BYTES


def test_a_hot_app_without_policies_configures_no_filter() -> None:
    host = host_of(Site("app", Ingress(80), hot=True))
    assert not host.typed_per_filter_config
    assert host.request_body_buffer_limit.value == routes.RETRIED_BODY_BYTES


def test_with_automatic_transport_grpc_goes_by_http2() -> None:
    found = [
        (route.match.HasField("grpc"), route.match.prefix, route.route.cluster)
        for route in host_of(Site("app", Ingress(80))).routes
    ]
    assert found == [(True, "/", "app/app/h2"), (False, "/", "app/app")]


@pytest.mark.parametrize(("transport", "cluster"), [(Transport.HTTP, "app/app"), (Transport.HTTP2, "app/app/h2")])
def test_with_a_given_transport_everything_goes_by_it(transport: Transport, cluster: str) -> None:
    (route,) = host_of(Site("app", Ingress(80, transport=transport))).routes
    assert (route.match.HasField("grpc"), route.route.cluster) == (False, cluster)


@pytest.mark.parametrize(
    ("request_s", "hold_s", "timeout_s", "idle_s"),
    [(240.0, 240.0, 240, 300), (10.0, 600.0, 10, 660), (900.0, 5.0, 900, 960), (0.0, 240.0, 0, 0)],
)
def test_idle_time_is_longer_than_holds_and_answers(
    request_s: float, hold_s: float, timeout_s: int, idle_s: int
) -> None:
    site = Site("app", Ingress(80, request_timeout_s=request_s, hold=Hold(timeout_s=hold_s)))
    for route in host_of(site).routes:
        assert (route.route.timeout.seconds, route.route.idle_timeout.seconds) == (timeout_s, idle_s)


def test_a_redirect_keeps_the_method_and_neither_holds_nor_serves() -> None:
    site = Site("app", Ingress(80, cors=CorsPolicy(("*",)), restriction=AddressRestriction(allow=True, ranges=())))
    host = host_of(site, redirect_port=8443)
    (route,) = host.routes
    assert route.redirect.https_redirect
    assert route.redirect.port_redirect == 8443
    assert route.redirect.response_code == route_components_pb2.RedirectAction.PERMANENT_REDIRECT
    assert list(host.typed_per_filter_config) == [http_filters.RBAC]


def test_restrictions_look_at_the_connection_s_address() -> None:
    restricted = AddressRestriction(allow=False, ranges=("10.1.2.3/8", "fd00::/8"))
    host = host_of(Site("app", Ingress(80, restriction=restricted), hot=True))
    found = rbac_pb2.RBACPerRoute()
    host.typed_per_filter_config[http_filters.RBAC].Unpack(found)
    (policy,) = found.rbac.rules.policies.values()
    ranges = [
        (each.direct_remote_ip.address_prefix, each.direct_remote_ip.prefix_len.value) for each in policy.principals
    ]
    assert ranges == [("10.0.0.0", 8), ("fd00::", 8)]


def test_a_range_that_is_no_network_is_an_error() -> None:
    with pytest.raises(ValueError, match="IPv4"):
        host_of(Site("app", Ingress(80, restriction=AddressRestriction(allow=True, ranges=("10.0.0/8",)))))


def test_routes_put_together_from_parts_are_those_of_all_apps() -> None:
    parts = [routes.virtual_host(Site(f"app-{n}", Ingress(80)), (f"app-{n}.localhost",)) for n in range(200)]
    whole = routes.route_configuration(Side.TLS, [routes.part_of_configuration(part) for part in parts])
    found = route_pb2.RouteConfiguration.FromString(whole)
    assert found.name == "tls"
    assert found.ignore_port_in_host_matching
    others = [host for host in found.virtual_hosts if host.name != "*"]
    assert others == parts
    (unknown,) = [host for host in found.virtual_hosts if host.name == "*"]
    assert unknown.routes[0].direct_response.status == 404

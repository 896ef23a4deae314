"""Routes: from a host name to an app's clusters, held while the app is cold.

What clients are answered here, beside what apps answer:

- 404, text, when no app has the host name of the request. An app that was deleted, or that is not reached from this
  side, is answered the same. Ports in the Host header, upper case and a trailing dot do not matter.
- 403 when the app's `ipSecurityRestrictions` do not let the client in; nothing is started.
- 200 without a body to a preflight of an app with a `corsPolicy`; nothing is started.
- 308 to HTTPS, with the method and the body kept, on the plain external listener when there is a TLS listener and the
  app does not allow `allowInsecure`.
- 503 when no replica took the request: none of the attempts connected.
- 504 when the app did not answer within its request time-out, counted from the request's release and its end.
- 408 when nothing moved on a request for its request time-out, or its longest hold, and a minute.

A request is sent again only if it cannot have reached a replica: the connection failed, or the replica refused the
stream, or the connection was gone before any byte was sent. So no request is processed twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as components
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2

from scaler.ingress.site import Site
from scaler.ingress.xds import http_filters, policies
from scaler.ingress.xds.naming import APP_KEY, Side, h1_cluster, h2_cluster
from scaler.ingress.xds.packing import duration, embedded, packed, serialized
from scaler.model import Transport

UNKNOWN_HOST = "No app is served under this host name.\n"

# What is kept of a body until an answer begins, so that it can be sent to another replica if the connection fails. A
# longer one arrives during the back-off, is more than this, and fails with the connection (503). That much may be kept
# of every upload, and while an app is cold of every held request.
RETRIED_BODY_BYTES = 1024 * 1024
HELD_BODY_BYTES = 64 * 1024

# An idle stream is cut this long after the longest time that it may rightly be silent.
IDLE_MARGIN_S = 60.0

_VIRTUAL_HOSTS = route_pb2.RouteConfiguration.DESCRIPTOR.fields_by_name["virtual_hosts"].number


def virtual_host(site: Site, hosts: Sequence[str], *, redirect_port: int | None = None) -> Any:
    """Return an app's routes under these host names.

    Args:
        site: The app.
        hosts: What it is reached by.
        redirect_port: Where HTTPS is, if requests are to be sent there; None serves them.

    Raises:
        ValueError: A range of addresses is no network.
    """
    host = components.VirtualHost(name=site.name, domains=hosts)
    if site.ingress.restriction is not None:
        host.typed_per_filter_config[http_filters.RBAC].CopyFrom(packed(policies.restriction(site.ingress.restriction)))
    if redirect_port is not None:
        host.routes.append(_redirect(redirect_port))
        return host
    if site.ingress.cors is not None:
        host.typed_per_filter_config[http_filters.CORS].CopyFrom(packed(policies.cross_origin(site.ingress.cors)))
    if not site.hot:
        host.typed_per_filter_config[http_filters.EXT_AUTHZ].CopyFrom(packed(_held(site.name)))
    host.routes.extend(_routes(site))
    host.request_body_buffer_limit.value = RETRIED_BODY_BYTES if site.hot else HELD_BODY_BYTES
    return host


def route_configuration(side: Side, virtual_hosts: Iterable[bytes]) -> bytes:
    """Return the serialized routes of a side, from virtual hosts that are serialized already."""
    frame = route_pb2.RouteConfiguration(
        name=side.value,
        virtual_hosts=[_unknown_host()],
        # The port stays in the Host header: apps make redirects and links of it.
        ignore_port_in_host_matching=True,
        request_headers_to_add=[
            _set("x-forwarded-host", "%REQ(:AUTHORITY)%"),
            # By itself, Envoy would put its own address there for a client on the same machine.
            _set("x-forwarded-for", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
        ],
        request_headers_to_remove=["x-envoy-external-address", "x-envoy-internal"],
        validate_clusters={"value": False},
    )
    return serialized(frame) + b"".join(virtual_hosts)


def part_of_configuration(host: Any) -> bytes:
    """Return a virtual host as `route_configuration` takes it."""
    return embedded(_VIRTUAL_HOSTS, serialized(host))


def _routes(site: Site) -> list[components.Route]:
    h1, h2 = h1_cluster(site.name), h2_cluster(site.name)
    match site.ingress.transport:
        case Transport.HTTP:
            return [_route(site, h1)]
        case Transport.HTTP2:
            return [_route(site, h2)]
        case Transport.AUTO:
            return [_route(site, h2, grpc=True), _route(site, h1)]


def _route(site: Site, cluster: str, *, grpc: bool = False) -> components.Route:
    match = components.RouteMatch(prefix="/")
    if grpc:
        match.grpc.SetInParent()
    return components.Route(
        match=match,
        route=components.RouteAction(
            cluster=cluster,
            timeout=duration(site.ingress.request_timeout_s),
            idle_timeout=duration(idle_timeout_s(site)),
        ),
    )


def idle_timeout_s(site: Site) -> float:
    """Return after how many seconds without a byte a request is cut; 0 is never, for an app without a time-out."""
    ingress = site.ingress
    if not ingress.request_timeout_s:
        return 0.0
    return max(ingress.request_timeout_s, ingress.hold.timeout_s) + IDLE_MARGIN_S


def _set(header: str, value: str) -> base_pb2.HeaderValueOption:
    return base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=header, value=value),
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def _redirect(port: int) -> components.Route:
    return components.Route(
        match=components.RouteMatch(prefix="/"),
        redirect=components.RedirectAction(
            https_redirect=True,
            port_redirect=port,
            response_code=components.RedirectAction.PERMANENT_REDIRECT,
        ),
    )


def _unknown_host() -> components.VirtualHost:
    answer = components.DirectResponseAction(status=404, body=base_pb2.DataSource(inline_string=UNKNOWN_HOST))
    route = components.Route(match=components.RouteMatch(prefix="/"), direct_response=answer)
    return components.VirtualHost(name="*", domains=["*"], routes=[route])


def _held(app: str) -> ext_authz_pb2.ExtAuthzPerRoute:
    return ext_authz_pb2.ExtAuthzPerRoute(check_settings=ext_authz_pb2.CheckSettings(context_extensions={APP_KEY: app}))

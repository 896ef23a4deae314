"""Listeners: where requests come in, and what a connection may do.

What clients are answered here:

- 431, and the connection is closed, when the headers of a request are longer than 60 KiB in all, or more than 100.
- 408 when the headers of a request are not complete 10 s after its first byte. A connection on which no request is
  begun is closed after 5 minutes, without an answer; one whose TLS handshake takes 10 s, too.
- 400, and the connection is closed, on requests that two servers could read differently: both Content-Length and
  Transfer-Encoding, two lengths, no Host (HTTP/1.1), a space in a header's name or before its colon. 501 on any
  Transfer-Encoding but `chunked`. Two Host headers are a name that no app has (404).
- 404 on CONNECT: nothing is tunnelled, but WebSockets of HTTP/2 (RFC 8441) are taken.
- 403 on an Upgrade other than WebSocket; `h2c` and `TLS/...` are ignored, as HTTP allows, and answered in HTTP/1.1.
- HTTP/2 without TLS is taken on every plain listener, if the client begins with it (prior knowledge).

Headers that only we or the platform may set are taken off every request before anything looks at it:
`x-envoy-*` (they would steer Envoy: time-outs, retries), `x-forwarded-*`, `forwarded`, `x-real-ip` and
`x-original-forwarded-for` (who and where the client is), `x-scaler-*` (ours), and those by which Azure tells an app who
is signed in (`x-ms-client-principal*`, `x-ms-token-*`). Headers with an underscore in their name are dropped, because
many frameworks take `x_forwarded_for` for `x-forwarded-for`. Set anew: `x-forwarded-for` (the address of the
connection), `x-forwarded-proto` (http or https, of the connection), `x-forwarded-host` (the Host header).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2, extension_pb2, protocol_pb2, socket_option_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2
from envoy.type.matcher.v3 import string_pb2

from scaler.ingress.settings import Listen
from scaler.ingress.xds.certificates import Certificate
from scaler.ingress.xds.clusters import BUFFER_BYTES, from_ads, http2_options
from scaler.ingress.xds.endpoints import socket_address
from scaler.ingress.xds.http_filters import http_filters
from scaler.ingress.xds.naming import Side
from scaler.ingress.xds.packing import duration, packed

MAX_HEADERS_KIB = 60
MAX_HEADERS = 100
HEADERS_TIMEOUT_S = 10.0
CONNECTION_IDLE_S = 300.0
# For requests that no app's route sets another for.
STREAM_IDLE_S = 60.0

_STREAMS_PER_CONNECTION = 1000
# Capped by the kernel (net.core.somaxconn).
_BACKLOG = 16384

_STRIPPED_PREFIXES = ("x-envoy-", "x-forwarded-", "x-scaler-", "x-ms-client-principal", "x-ms-token-")
_STRIPPED = ("forwarded", "x-real-ip", "x-original-forwarded-for")

UNREACHABLE = "No replica of the app took the request. Try again.\n"
# UF: connection failed; UH: no healthy replica; UO: overflow; NC: no cluster.
_UPSTREAM_FLAGS = ("UF", "UH", "UO", "NC")
# What Envoy answers when a connection failed and the body is longer than what it keeps for another attempt.
_TOO_LONG_TO_RETRY = 507


def plain_listener(name: str, at: Listen, side: Side) -> Any:
    """Return a listener that takes HTTP/1.1 and HTTP/2 without TLS."""
    return _listener(name, at, [listener_components_pb2.FilterChain(filters=[_connection_manager(side)])])


def tls_listener(at: Listen, default: Certificate | None, others: Mapping[str, Certificate]) -> Any:
    """Return a listener that takes HTTPS (TLS 1.2 and later).

    Args:
        at: Where.
        default: Serves every host that has none of its own, and clients that name no host; None refuses those.
        others: Certificates by host name.
    """
    hosts: dict[Certificate, list[str]] = {}
    for host, certificate in others.items():
        hosts.setdefault(certificate, []).append(host)
    ordered = sorted(hosts.items(), key=lambda pair: pair[0].name)
    chains = [_tls_chain(certificate, sorted(names)) for certificate, names in ordered]
    if default is not None:
        chains.append(_tls_chain(default, ()))
    listener = _listener(Side.TLS.value, at, chains)
    listener.listener_filters.append(
        listener_components_pb2.ListenerFilter(
            name="envoy.filters.listener.tls_inspector", typed_config=packed(tls_inspector_pb2.TlsInspector())
        )
    )
    return listener


def _listener(name: str, at: Listen, chains: Iterable[Any]) -> Any:
    return listener_pb2.Listener(
        name=name,
        stat_prefix=name,
        address=socket_address(at.host, at.port),
        filter_chains=chains,
        per_connection_buffer_limit_bytes={"value": BUFFER_BYTES},
        tcp_backlog_size={"value": _BACKLOG},
        socket_options=_KEEPALIVE,
    )


def _tls_chain(certificate: Certificate, names: Sequence[str]) -> Any:
    context = tls_pb2.DownstreamTlsContext(
        common_tls_context=tls_pb2.CommonTlsContext(
            tls_params=common_pb2.TlsParameters(tls_minimum_protocol_version=common_pb2.TlsParameters.TLSv1_2),
            tls_certificates=[
                common_pb2.TlsCertificate(
                    certificate_chain=base_pb2.DataSource(inline_bytes=certificate.chain),
                    private_key=base_pb2.DataSource(inline_bytes=certificate.key),
                )
            ],
            alpn_protocols=["h2", "http/1.1"],
        )
    )
    return listener_components_pb2.FilterChain(
        name=certificate.name,
        filter_chain_match=listener_components_pb2.FilterChainMatch(server_names=names) if names else None,
        filters=[_connection_manager(Side.TLS)],
        transport_socket=base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(context)),
        transport_socket_connect_timeout=duration(HEADERS_TIMEOUT_S),
    )


def _connection_manager(side: Side) -> listener_components_pb2.Filter:
    manager = hcm.HttpConnectionManager(
        codec_type=hcm.HttpConnectionManager.AUTO,
        stat_prefix=side.value,
        rds=hcm.Rds(config_source=from_ads(), route_config_name=side.value),
        http_filters=http_filters(),
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(
            idle_timeout=duration(CONNECTION_IDLE_S),
            max_headers_count={"value": MAX_HEADERS},
            headers_with_underscores_action=protocol_pb2.HttpProtocolOptions.DROP_HEADER,
        ),
        http_protocol_options=protocol_pb2.Http1ProtocolOptions(
            accept_http_10=True,
            ignore_http_11_upgrade=[string_pb2.StringMatcher(exact="h2c"), string_pb2.StringMatcher(prefix="TLS/")],
        ),
        http2_protocol_options=http2_options(max_concurrent_streams=_STREAMS_PER_CONNECTION),
        server_header_transformation=hcm.HttpConnectionManager.PASS_THROUGH,
        max_request_headers_kb={"value": MAX_HEADERS_KIB},
        stream_idle_timeout=duration(STREAM_IDLE_S),
        request_headers_timeout=duration(HEADERS_TIMEOUT_S),
        use_remote_address={"value": True},
        skip_xff_append=True,  # the routes set it
        early_header_mutation_extensions=[_stripping()],
        generate_request_id={"value": False},
        normalize_path={"value": True},
        strip_trailing_host_dot=True,
        upgrade_configs=[hcm.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        local_reply_config=hcm.LocalReplyConfig(mappers=_unreachable()),
    )
    return listener_components_pb2.Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=packed(manager)
    )


def _stripping() -> extension_pb2.TypedExtensionConfig:
    matchers = [string_pb2.StringMatcher(prefix=prefix, ignore_case=True) for prefix in _STRIPPED_PREFIXES]
    matchers += [string_pb2.StringMatcher(exact=name, ignore_case=True) for name in _STRIPPED]
    mutations = [
        mutation_rules_pb2.HeaderMutation(
            remove_on_match=mutation_rules_pb2.HeaderMutation.RemoveOnMatch(key_matcher=matcher)
        )
        for matcher in matchers
    ]
    return extension_pb2.TypedExtensionConfig(
        name="envoy.http.early_header_mutation.header_mutation",
        typed_config=packed(header_mutation_pb2.HeaderMutation(mutations=mutations)),
    )


def _unreachable() -> list[hcm.ResponseMapper]:
    """Return what is answered where a request reached no replica, instead of Envoy's words, which name addresses."""
    failed = accesslog_pb2.AccessLogFilter(response_flag_filter=accesslog_pb2.ResponseFlagFilter(flags=_UPSTREAM_FLAGS))
    too_long = accesslog_pb2.AccessLogFilter(
        status_code_filter=accesslog_pb2.StatusCodeFilter(
            comparison=accesslog_pb2.ComparisonFilter(
                op=accesslog_pb2.ComparisonFilter.EQ,
                value=base_pb2.RuntimeUInt32(default_value=_TOO_LONG_TO_RETRY, runtime_key="scaler.unused"),
            )
        )
    )
    return [
        hcm.ResponseMapper(filter=each, status_code={"value": 503}, body=base_pb2.DataSource(inline_string=UNREACHABLE))
        for each in (failed, too_long)
    ]


def _option(description: str, level: int, name: int, value: int) -> Any:
    return socket_option_pb2.SocketOption(
        description=description,
        level=level,
        name=name,
        int_value=value,
        state=socket_option_pb2.SocketOption.STATE_PREBIND,
    )


# A client that vanished without closing is noticed within two minutes; accepted connections inherit these.
_KEEPALIVE = (
    _option("keepalive", socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    _option("keepalive: idle before the first probe", socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    _option("keepalive: between probes", socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    _option("keepalive: probes", socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)

"""The schema of `properties.configuration.ingress` in an Azure Container Apps manifest, with what we add to it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from scaler.manifest.aca.template import Port
from scaler.manifest.fields import (
    AS_INTEGER,
    AS_NUMBER,
    DocumentModel,
    Flag,
    Ignored,
    Items,
    Needed,
    Refused,
    Text,
    Unused,
    matching,
    one_of,
)
from scaler.manifest.problems import NOT_YET

_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_ORIGIN = rf"\*|null|[A-Za-z][-+.A-Za-z0-9]*://(\*\.)?({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?"
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - what HTTP calls a token; `*` is one, too
_TCP_PORT = f"ports for TCP are {NOT_YET}"
_DAY_S = 86_400
# Far below what the proxies allow (a day), so that the answer is always that of the one who holds.
_HOUR_S = 3600

HostName = Annotated[
    str, matching(rf"{_LABEL}(\.{_LABEL})*", "a host name, without scheme, port, path or '*'", max_length=253)
]
Origin = Annotated[
    str, matching(_ORIGIN, "an origin such as https://example.com or https://*.example.com, or * for all")
]
Method = Annotated[str, matching(_TOKEN, "an HTTP method, or * for all")]
HeaderName = Annotated[str, matching(_TOKEN, "the name of an HTTP header, or * for all")]


class TransportName(StrEnum):
    """`transport`."""

    AUTO = "auto"
    HTTP = "http"
    HTTP2 = "http2"
    TCP = "tcp"


class BindingType(StrEnum):
    """`customDomains[].bindingType`."""

    DISABLED = "Disabled"
    SNI_ENABLED = "SniEnabled"
    AUTO = "Auto"


class Action(StrEnum):
    """`ipSecurityRestrictions[].action`."""

    ALLOW = "Allow"
    DENY = "Deny"


class Affinity(StrEnum):
    """`stickySessions.affinity`."""

    NONE = "none"
    STICKY = "sticky"


class ClientCertificateMode(StrEnum):
    """`clientCertificateMode`."""

    IGNORE = "ignore"
    ACCEPT = "accept"
    REQUIRE = "require"


class TargetScheme(StrEnum):
    """`targetPortHttpScheme`."""

    HTTP = "http"
    HTTPS = "https"


class DomainSpec(DocumentModel):
    """`customDomains[]`."""

    name: Annotated[HostName | None, Needed("a host name")] = None
    binding_type: Annotated[BindingType, one_of(BindingType)] | None = None
    certificate_id: Text | None = None


class RestrictionSpec(DocumentModel):
    """`ipSecurityRestrictions[]`."""

    name: Annotated[Text | None, Needed("a name")] = None
    description: Text | None = None
    ip_address_range: Annotated[Text | None, Needed("an address or a network such as 10.0.0.0/8")] = None
    action: Annotated[Annotated[Action, one_of(Action)] | None, Needed("Allow or Deny")] = None


class CorsSpec(DocumentModel):
    """`corsPolicy`."""

    allowed_origins: Annotated[list[Origin] | None, Needed("a list of origins"), Items(1)] = None
    allowed_methods: list[Method] | None = None
    allowed_headers: list[HeaderName] | None = None
    expose_headers: list[HeaderName] | None = None
    max_age: Annotated[int, Field(ge=0, le=2_147_483_647), AS_INTEGER] | None = None
    allow_credentials: Flag | None = None


class StickySessions(DocumentModel):
    """`stickySessions`."""

    affinity: Annotated[Affinity, one_of(Affinity, usable=(Affinity.NONE,))] | None = None


class TrafficSpec(DocumentModel):
    """`traffic[]`."""

    revision_name: Text | None = None
    weight: Annotated[int, Field(ge=0, le=100), AS_INTEGER] | None = None
    latest_revision: Flag | None = None
    label: Annotated[
        Unused, Refused(f"addresses of revisions are {NOT_YET}", lambda value: value == "", {"const": ""})
    ] = None


class ExclusionSpec(DocumentModel):
    """`hold.exclude[]`, ours."""

    path_prefix: Annotated[str, matching(r"/[^\s\0?#]*", "a path that begins with /", max_length=4096)] | None = None
    user_agent: Annotated[str, matching(r"[ -~]*[!-~][ -~]*", "a part of a User-Agent, in ASCII")] | None = None
    status: Annotated[int, Field(ge=200, le=599), AS_INTEGER] | None = None


class HoldSpec(DocumentModel):
    """`hold`, ours."""

    max_requests: Annotated[int, Field(ge=1, le=1_000_000), AS_INTEGER] | None = None
    timeout: Annotated[float, Field(gt=0, le=_HOUR_S), AS_NUMBER] | None = None
    waiting_page: Text | None = None
    exclude: list[ExclusionSpec] | None = None


def _is_zero(value: Any) -> bool:
    return str(value) == "0"


class IngressSpec(DocumentModel):
    """`configuration.ingress`; `requestTimeout` and `hold` are ours."""

    external: Flag | None = None
    target_port: Annotated[Port | None, Needed("the port that the app listens on")] = None
    transport: (
        Annotated[
            TransportName,
            one_of(TransportName, usable=(TransportName.AUTO, TransportName.HTTP, TransportName.HTTP2)),
        ]
        | None
    ) = None
    allow_insecure: Flag | None = None
    custom_domains: list[DomainSpec] | None = None
    ip_security_restrictions: list[RestrictionSpec] | None = None
    cors_policy: CorsSpec | None = None
    sticky_sessions: StickySessions | None = None
    traffic: list[TrafficSpec] | None = None
    client_certificate_mode: (
        Annotated[ClientCertificateMode, one_of(ClientCertificateMode, usable=(ClientCertificateMode.IGNORE,))] | None
    ) = None
    target_port_http_scheme: Annotated[TargetScheme, one_of(TargetScheme, usable=(TargetScheme.HTTP,))] | None = None
    # What Azure exports for an app without TCP.
    exposed_port: Annotated[Unused, Refused(_TCP_PORT, _is_zero, {"enum": [0, "0"]})] = None
    additional_port_mappings: Annotated[Unused, Refused(_TCP_PORT, lambda value: value == [], {"const": []})] = None
    fqdn: Annotated[Unused, Ignored("it is a read-only field of Azure")] = None
    request_timeout: Annotated[float, Field(ge=0, le=_DAY_S), AS_NUMBER] | None = None
    hold: HoldSpec | None = None

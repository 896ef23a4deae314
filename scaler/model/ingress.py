"""How requests reach an app: the ingress part of an Azure Container Apps manifest, with what we add to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

# Domain of the names that apps know each other by, which replicas are told; `.internal` is reserved for private use.
DEFAULT_DNS_SUFFIX = "scaler.internal"
# Azure's request timeout, and the longest that a request is held while its app starts.
DEFAULT_REQUEST_TIMEOUT_S = 240.0
# Requests that one app may have held at once.
DEFAULT_MAX_HELD = 1000


class Transport(StrEnum):
    """What replicas speak (`ingress.transport`): auto is HTTP/2 for gRPC requests and HTTP/1.1 for all others."""

    AUTO = "auto"
    HTTP = "http"
    HTTP2 = "http2"


@dataclass(frozen=True, slots=True)
class CustomDomain:
    """A host name of an app, in lower case; `certificate` names a pair of files of the ingress, None the default."""

    name: str
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class AddressRestriction:
    """Which clients may come (`ipSecurityRestrictions`): only these networks, or all but these.

    Attributes:
        allow: The networks are those that may come; otherwise those that may not.
        ranges: Networks in CIDR notation.
    """

    allow: bool
    ranges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """Cross-origin requests (`corsPolicy`); the proxy answers preflights itself."""

    allowed_origins: tuple[str, ...]
    allowed_methods: tuple[str, ...] = ()
    allowed_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_s: int | None = None
    allow_credentials: bool = False


@dataclass(frozen=True, slots=True)
class WakeExclusion:
    """Requests that start nothing, such as health checks and bots: all that is given must match.

    Attributes:
        path_prefix: Beginning of the path; None matches any.
        user_agent: A part of the User-Agent header, in any case; None matches any.
        status: What they are answered while the app has no ready replica.
    """

    path_prefix: str | None = None
    user_agent: str | None = None
    status: int = 503


@dataclass(frozen=True, slots=True)
class Hold:
    """What becomes of requests while no replica is ready.

    Attributes:
        max_requests: As many wait at most; others are answered 503 at once.
        timeout_s: As long each waits at most; then it is answered 503.
        waiting_page: HTML that a browser gets instead of being held, and that loads itself again; empty for the
            default page. None: browsers are held like others.
        exclusions: Requests that neither wait nor start anything.
    """

    max_requests: int = DEFAULT_MAX_HELD
    timeout_s: float = DEFAULT_REQUEST_TIMEOUT_S
    waiting_page: str | None = field(default=None, repr=False)
    exclusions: tuple[WakeExclusion, ...] = ()


@dataclass(frozen=True, slots=True)
class Ingress:
    """How requests reach an app.

    Attributes:
        target_port: Where its replicas listen.
        external: Reached from outside; otherwise only from other apps.
        transport: What its replicas speak.
        allow_insecure: Served over plain HTTP where HTTPS is offered; otherwise redirected there.
        custom_domains: Host names beside the app's own.
        restriction: Which clients may come; None lets all.
        cors: Cross-origin requests; None leaves them to the app.
        request_timeout_s: Seconds that a request may take, from its release; 0 lets it take any time.
        hold: What becomes of requests while no replica is ready.
    """

    target_port: int
    external: bool = False
    transport: Transport = Transport.AUTO
    allow_insecure: bool = False
    custom_domains: tuple[CustomDomain, ...] = ()
    restriction: AddressRestriction | None = None
    cors: CorsPolicy | None = None
    request_timeout_s: float = DEFAULT_REQUEST_TIMEOUT_S
    hold: Hold = field(default_factory=Hold)

"""Names that Envoy and the rest of the ingress know things by: clusters, routes, and the hosts of an app."""

from __future__ import annotations

import re
from enum import StrEnum

from scaler.model import Ingress, Transport
from scaler.model.ingress import DEFAULT_DNS_SUFFIX

# The static clusters of the bootstrap that lead to our own service: discovery and load reports; and holding.
CONTROL_CLUSTER = "scaler-control"
HOLD_CLUSTER = "scaler-hold"
# The socket of the latter, beside that of the former.
HOLD_SOCKET = "hold.sock"
# Held requests on one connection; further ones come on another. h2 counts the open ones for each that comes.
CALLS_PER_CONNECTION = 500

# The route's context extension that tells the holding service whose request it is: no header, which could be forged.
APP_KEY = "app"

# Names under it lead to the machine itself: browsers resolve them without any entry.
LOCALHOST = "localhost"

_CLUSTER = re.compile(r"app/(?P<app>[^/]+)(?:/h2)?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LONGEST_HOST = 253


class Side(StrEnum):
    """Where requests come in. The value names the routes of all listeners of that side."""

    EXTERNAL = "external"
    TLS = "tls"
    INTERNAL = "internal"


def h1_cluster(app: str) -> str:
    """Return the name of the cluster whose replicas are spoken to in HTTP/1.1."""
    return f"app/{app}"


def h2_cluster(app: str) -> str:
    """Return the name of the cluster whose replicas are spoken to in HTTP/2."""
    return f"app/{app}/h2"


def clusters_of(app: str, transport: Transport) -> tuple[str, ...]:
    """Return the names of an app's clusters: all have the same endpoints, and requests in flight add up."""
    match transport:
        case Transport.HTTP:
            return (h1_cluster(app),)
        case Transport.HTTP2:
            return (h2_cluster(app),)
        case Transport.AUTO:
            return (h1_cluster(app), h2_cluster(app))


def app_of(cluster: str) -> str | None:
    """Return the app that a cluster belongs to; None when it is none of an app's."""
    found = _CLUSTER.fullmatch(cluster)
    return found["app"] if found else None


def own_hosts(app: str, ingress: Ingress, side: Side, *, dns_suffix: str = DEFAULT_DNS_SUFFIX) -> tuple[str, ...]:
    """Return the host names that only this app has on a side, in lower case; none where it is not to be reached."""
    name = app.lower()
    if side is Side.INTERNAL:
        return (name, f"{name}.{LOCALHOST}", f"{name}.{dns_suffix.lower()}")
    return (f"{name}.{LOCALHOST}",) if ingress.external else ()


def is_host(name: str) -> bool:
    """Return whether a name can stand in a Host header and be routed by: labels in lower case, no port, no wildcard."""
    return len(name) <= _LONGEST_HOST and _HOST.fullmatch(name) is not None

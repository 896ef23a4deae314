"""Where people reach an app."""

from __future__ import annotations

from scaler.ingress.settings import IngressSettings, Listen
from scaler.ingress.xds.naming import Side, own_hosts
from scaler.model import Ingress

_HTTP, _HTTPS = 80, 443


def of(app: str, ingress: Ingress, settings: IngressSettings) -> tuple[str, ...]:
    """Return the URLs of an app, those by HTTPS first; its own name before its custom domains.

    An app without external ingress has those that other apps reach it by, where there is a listener for them.
    """
    ways: list[tuple[str, Side, Listen]] = []
    if ingress.external:
        if settings.tls is not None:
            ways.append(("https", Side.TLS, settings.tls))
        ways.append(("http", Side.EXTERNAL, settings.external))
    else:
        ways += [("http", Side.INTERNAL, listen) for listen in settings.internal]
    custom = [domain.name for domain in ingress.custom_domains] if ingress.external else []
    urls = [
        f"{scheme}://{host}{_port(scheme, listen.port)}"
        for scheme, side, listen in ways
        for host in (*own_hosts(app, ingress, side)[:1], *custom)
    ]
    return tuple(dict.fromkeys(urls))


def _port(scheme: str, port: int) -> str:
    return "" if port == (_HTTPS if scheme == "https" else _HTTP) else f":{port}"

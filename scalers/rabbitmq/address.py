"""Where a broker is, as the URL in `host` says it: scheme, credentials, server, path and virtual host."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pydantic import SecretStr

DEFAULT_VHOST = "/"
_PORTS = {"amqp": 5672, "amqps": 5671, "http": 80, "https": 443}
_ENCRYPTED = frozenset({"amqps", "https"})


@dataclass(frozen=True, slots=True)
class Address:
    """One virtual host of one server, and who asks.

    Attributes:
        scheme: amqp, amqps, http or https.
        host: Name or IP address, an IPv6 address without brackets.
        port: The scheme's own where the URL has none.
        username: Empty when the URL has none.
        password: Empty when the URL has none.
        vhost: Its name, not percent-encoded.
        prefix: For http, what comes before `/api`, percent-encoded: empty, or such as `/rabbit`.
    """

    scheme: str
    host: str
    port: int
    username: str
    password: SecretStr = field(repr=False)
    vhost: str
    prefix: str = ""

    @property
    def encrypted(self) -> bool:
        """Whether the scheme is one of TLS."""
        return self.scheme in _ENCRYPTED

    @property
    def location(self) -> str:
        """host:port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(url: str, vhost_name: str = "") -> Address:
    """Read the URL; a `vhost_name` replaces the virtual host in its path.

    Raises:
        ValueError: It is none; the text holds nothing of it, as there may be a password in it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Its text would quote what stands in the place of a port, perhaps the half of a password.
        raise ValueError("expected a URL with a number as its port; special characters are %-encoded") from None
    if parts.scheme not in _PORTS:
        raise ValueError("expected a URL that begins with amqp://, amqps://, http:// or https://")
    if not host:
        raise ValueError("expected a URL with the name of a server")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError("expected a URL without ? and #; in a password they are %3F and %23")
    prefix, vhost = _path(parts, vhost_name)
    return Address(
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        username=unquote(parts.username or ""),
        password=SecretStr(unquote(parts.password or "")),
        vhost=vhost,
        prefix=prefix,
    )


def split_path(path: str, vhost_name: str = "") -> tuple[str, str]:
    """Split a management URL's path into what comes before `/api`, and the percent-encoded virtual host after it.

    The last part is the virtual host, also where `vhost_name` replaces it; an empty one is the default.
    """
    *before, last = path.split("/")
    prefix = "".join(f"/{part}" for part in before if part)
    if vhost_name:
        return prefix, quote(vhost_name, safe="")
    return prefix, last or quote(DEFAULT_VHOST, safe="")


def _path(parts: SplitResult, vhost_name: str) -> tuple[str, str]:
    if parts.scheme.startswith("http"):
        prefix, vhost = split_path(parts.path, vhost_name)
        return prefix, unquote(vhost)
    return "", vhost_name or unquote(parts.path[1:]) or DEFAULT_VHOST

"""URLs that triggers name: where to connect, what to ask for, and the credentials that may stand in them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Self

from pydantic import SecretStr
from yarl import URL

_SPACE = re.compile(r"\s")
_SCHEMES = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """A URL in its parts.

    Attributes:
        origin: Scheme, host and port, without credentials.
        host: Name or IP address.
        port: Given, or the scheme's.
        path: Percent-encoded, begins with a slash.
        query: Percent-encoded, without the question mark; may hold secrets.
        credentials: `user:password` where the URL has them.
    """

    origin: str
    host: str
    port: int
    path: str
    query: SecretStr
    credentials: SecretStr | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a URL apart.

        Raises:
            ValueError: It is none that HTTP knows; the text says nothing of it, since it may hold a password.
        """
        try:
            url = URL(text)
            valid = url.scheme in _SCHEMES and bool(url.port) and bool(url.host) and not _SPACE.search(url.host or "")
        except ValueError:
            valid = False
        if not valid:
            raise ValueError("expected a URL such as http://host:port/path")
        credentials = None
        if url.user is not None or url.password is not None:
            credentials = SecretStr(f"{url.user or ''}:{url.password or ''}")
        return cls(
            str(url.origin()),
            url.host or "",
            url.port or 0,
            url.raw_path or "/",
            SecretStr(url.raw_query_string),
            credentials,
        )

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken there."""
        return self.origin.startswith("https:")


def basic_authorization(pair: str) -> SecretStr:
    """Return the value of an `Authorization` header for `user:password`."""
    return SecretStr(f"Basic {base64.b64encode(pair.encode()).decode()}")

"""Which cluster is asked, and as whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pydantic import SecretStr

from scaler.clients.tls import Tls

DEFAULT_PORT = 9092


@dataclass(frozen=True, slots=True)
class Password:
    """A user with a password.

    Attributes:
        mechanism: SASL's name: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
    """

    mechanism: str
    username: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class OAuth:
    """A client that gets a token from an OAuth 2 server by its client credentials.

    Attributes:
        endpoint: URL that issues tokens.
        scopes: What the token is to be good for.
        extensions: SASL extensions that go with the token.
    """

    endpoint: str
    client_id: str
    client_secret: SecretStr
    scopes: tuple[str, ...] = ()
    extensions: tuple[tuple[str, str], ...] = ()


Sasl: TypeAlias = Password | OAuth


@dataclass(frozen=True, slots=True)
class Server:
    """One cluster as one user: triggers for which these are equal share their connections.

    Attributes:
        bootstrap: host and port of brokers, any of which tells all of them.
        sasl: None without authentication.
        tls: None without TLS.
    """

    bootstrap: tuple[tuple[str, int], ...]
    sasl: Sasl | None = None
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"kafka at {','.join(address(host, port) for host, port in self.bootstrap)}"


def address(host: str, port: int) -> str:
    """Return host:port for people."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

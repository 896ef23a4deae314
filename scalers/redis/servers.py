"""What a trigger says about where its key is: one server, a cluster, or what sentinels watch over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self, TypeAlias

from pydantic import SecretStr

from scaler.clients.tls import Tls

Endpoint: TypeAlias = tuple[str, int]
"""Host (IPv6 without brackets) and port."""


def shown(endpoint: Endpoint) -> str:
    """Return host:port."""
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Server:
    """One database of one server as one user: triggers for which these are equal share a connection."""

    host: str
    port: int
    database: int = 0
    username: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"redis at {shown((self.host, self.port))}"

    def at(self, endpoint: Endpoint) -> Self:
        """Return the same elsewhere."""
        return replace(self, host=endpoint[0], port=endpoint[1])


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Redis Cluster as one user.

    Attributes:
        seeds: Some of its nodes, asked for the others.
    """

    seeds: tuple[Server, ...]

    def __str__(self) -> str:
        return f"redis cluster at {', '.join(shown((seed.host, seed.port)) for seed in self.seeds)}"


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The master of a name, as one user, wherever the sentinels say it is.

    Attributes:
        sentinels: Asked in turn until one answers, with credentials of their own.
        name: What they call the master.
        anywhere: The master's database and credentials; its host and port are meaningless.
    """

    sentinels: tuple[Server, ...]
    name: str
    anywhere: Server

    def __str__(self) -> str:
        sentinels = ", ".join(shown((sentinel.host, sentinel.port)) for sentinel in self.sentinels)
        return f"redis master {self.name} of the sentinels at {sentinels}"

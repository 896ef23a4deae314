"""Where the ingress listens, and what it is run with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scaler.model import Endpoint


@dataclass(frozen=True, slots=True)
class Listen(Endpoint):
    """An address to listen at: an IP address and a port."""


@dataclass(frozen=True, slots=True)
class IngressSettings:
    """What the ingress was asked for.

    Attributes:
        external: Where requests from outside come by HTTP.
        tls: Where they come by HTTPS; None offers none.
        internal: Where requests of other apps come; several where several networks do.
        certificates: Folder with `NAME.crt` and `NAME.key` (PEM); `default` serves hosts without one of their own.
        concurrency: Worker threads of an embedded Envoy; None is one per core.
        external_envoy: Envoys are run by others, with the bootstrap that `scaler envoy-bootstrap` prints.
    """

    external: Listen = Listen("127.0.0.1", 8480)
    tls: Listen | None = None
    internal: tuple[Listen, ...] = ()
    certificates: Path | None = None
    concurrency: int | None = None
    external_envoy: bool = False

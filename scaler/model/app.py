"""What a replica of an app is made of: the template part of an Azure Container Apps manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from pydantic import SecretStr

from scaler.model.ingress import Ingress


@dataclass(frozen=True, slots=True)
class EnvVar:
    """An environment variable. Values may come from secrets, so all are kept from `repr`."""

    name: str
    value: SecretStr


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of one container: CPU cores and bytes of memory; None means no limit."""

    cpu_cores: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class HttpGet:
    """Probe by HTTP: success is a status from 200 to 399."""

    port: int
    path: str = "/"
    scheme: str = "HTTP"
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """Probe by connecting."""

    port: int
    host: str | None = None


class ProbeKind(StrEnum):
    """Startup gates the other two; readiness failing stops serving; liveness failing restarts in place."""

    STARTUP = "Startup"
    READINESS = "Readiness"
    LIVENESS = "Liveness"


@dataclass(frozen=True, slots=True)
class Probe:
    """One health check; durations in seconds, defaults those of Azure Container Apps."""

    kind: ProbeKind
    check: HttpGet | TcpSocket
    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    failure_threshold: int = 3
    success_threshold: int = 1
    termination_grace_period_s: float | None = None


class VolumeKind(StrEnum):
    """Storage that lives as long as its replica, or files made from secrets."""

    EMPTY_DIR = "EmptyDir"
    SECRET = "Secret"  # noqa: S105 - the name of a storage type


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of a replica; `files` (relative path -> content) only for secrets."""

    name: str
    kind: VolumeKind
    files: Mapping[str, SecretStr] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """Where a container sees a volume, or a part of it."""

    volume: str
    path: str
    sub_path: str | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a replica. `command` replaces the image's entry point, `args` its arguments."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources: Resources = field(default_factory=Resources)
    probes: tuple[Probe, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()


@dataclass(frozen=True, slots=True)
class Registry:
    """Credentials for pulling images from one registry."""

    server: str
    username: str
    password: SecretStr


@dataclass(frozen=True)  # without slots, for the cached property
class App:
    """An app that we run ourselves.

    Attributes:
        containers: What one replica consists of.
        volumes: Volumes that containers mount, each replica having its own.
        registries: Credentials for private images.
        termination_grace_period_s: Seconds between SIGTERM and SIGKILL; 0 kills at once.
        revision_suffix: The manifest's `revisionSuffix`; empty when the revision is named by its content.
        ingress: How requests reach it; None when none do.
    """

    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...] = ()
    registries: tuple[Registry, ...] = ()
    termination_grace_period_s: float = 30.0
    revision_suffix: str = ""
    ingress: Ingress | None = None

    @cached_property
    def revision(self) -> str:
        """The revision's suffix: the manifest's own, or a digest of what a replica is made of.

        Two apps with equal content have the same digest in every process, so that replicas are recognised after a
        restart. Secrets take part as digests: a changed secret makes a new revision, and none can be read back.
        """
        return self.revision_suffix or _digest(self)


def _digest(app: App) -> str:
    hasher = hashlib.sha256()

    def feed(value: object) -> None:
        if isinstance(value, SecretStr):
            hasher.update(hashlib.sha256(value.get_secret_value().encode()).digest())
        elif isinstance(value, tuple):
            hasher.update(b"(")
            for item in value:
                feed(item)
            hasher.update(b")")
        elif isinstance(value, Mapping):
            feed(tuple(sorted(value.items(), key=lambda item: str(item[0]))))
        elif hasattr(value, "__dataclass_fields__"):
            feed(tuple((name, getattr(value, name)) for name in value.__dataclass_fields__))
        else:
            hasher.update(f"{type(value).__name__}:{value!r};".encode())

    feed((app.containers, app.volumes, app.termination_grace_period_s))
    if app.ingress is not None:
        feed(app.ingress.target_port)  # replicas are told it in their environment
    return hasher.hexdigest()[:10]

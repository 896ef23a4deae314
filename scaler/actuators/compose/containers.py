"""What compose's labels and an inspection tell of one container of a service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from scaler.actuators.docker.containers import run_of
from scaler.model import COMPOSE_SERVICE, ForeignTarget

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
ONE_OFF = "com.docker.compose.oneoff"
CONFIG_HASH = "com.docker.compose.config-hash"

_STOPPED = frozenset({"created", "exited", "dead"})


@dataclass(frozen=True, slots=True, order=True)
class ServiceName:
    """A service of a project, as compose identifies it."""

    project: str
    service: str

    def __str__(self) -> str:
        return f"{self.project}/{self.service}"

    @classmethod
    def of_target(cls, target: object) -> Self | None:
        """Return the service that a workload's target names; None for other targets."""
        if not isinstance(target, ForeignTarget) or target.kind != COMPOSE_SERVICE:
            return None
        project, _, service = target.name.partition("/")
        return cls(project, service)

    @classmethod
    def of_labels(cls, labels: Mapping[str, str]) -> Self:
        """Return the service that a container's labels name."""
        return cls(labels.get(PROJECT, ""), labels.get(SERVICE, ""))


@dataclass(frozen=True, slots=True)
class ServiceContainer:
    """One container of a service.

    Attributes:
        state: The engine's own word, such as `running` or `exited`.
        health: The health check's, such as `healthy`; empty without one.
        number: Compose's number of the container.
        config_hash: Compose's digest of the definition that the container was made from.
        detail: How it ended; empty while it runs.
        inspected: All that the engine knows, which defines further replicas. It holds the environment, so secrets.
    """

    id: str
    name: str
    service: ServiceName
    number: int
    created_at: float
    state: str
    health: str
    config_hash: str
    started_at: float | None
    restarts: int
    detail: str
    inspected: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def workload(self) -> str:
        """By what a listing groups it."""
        return str(self.service)

    @property
    def stopped(self) -> bool:
        """Whether it does not run, and the engine does nothing about that."""
        return self.state in _STOPPED

    @property
    def remark(self) -> str:
        """Why it is not ready, for an operator; empty while there is nothing to say."""
        if self.state == "running":
            return "its health check fails" if self.health == "unhealthy" else ""
        return self.detail or self.state

    @property
    def numbered_name(self) -> re.Match[str] | None:
        """The parts of a name that compose made: separator and number; None when `container_name` fixed it.

        While compose replaces a container, the old one's short id is put before its name.
        """
        project, service = re.escape(self.service.project), re.escape(self.service.service)
        return re.fullmatch(rf"(?:[0-9a-f]{{12}}_)?{project}([-_]){service}[-_](\d+)", self.name)


def container_of(inspected: Mapping[str, Any]) -> ServiceContainer:
    """Return what an inspection says."""
    labels, state, run = inspected["Config"]["Labels"], inspected["State"], run_of(inspected)
    number = labels.get(NUMBER, "")
    return ServiceContainer(
        id=inspected["Id"],
        name=inspected["Name"].removeprefix("/"),
        service=ServiceName.of_labels(labels),
        number=int(number) if number.isdecimal() else 0,
        created_at=datetime.fromisoformat(inspected["Created"]).timestamp(),
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", "").replace("none", ""),
        config_hash=labels.get(CONFIG_HASH, ""),
        started_at=run.started_at,
        restarts=inspected.get("RestartCount", 0),
        detail=run.detail,
        inspected=inspected,
    )


def newest(containers: tuple[ServiceContainer, ...]) -> ServiceContainer:
    """Return the container by whose definition further replicas are made: the one that was made last.

    One that never ran counts only where no other is: it may not have been made completely.
    """
    return max(containers, key=lambda each: (each.state != "created", each.created_at, each.number))

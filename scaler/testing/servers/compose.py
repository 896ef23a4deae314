"""A Docker Compose project in a folder, used as its users do: by the command."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from scaler.model import COMPOSE_SERVICE, ForeignTarget, Workload
from scaler.testing.observing import workload
from scaler.testing.servers.docker import DockerServer

# `docker-compose` is 1.29 in Debian; a path to Compose v2 serves as well.
COMMAND = os.environ.get("SCALER_COMPOSE", "docker-compose")
_DEADLINE_S = 120
# What `compose_file` gives services; whoever uses it makes the image.
IMAGE = "scaler-test-compose:1"
WORKER = "  worker: {<<: *image, stop_grace_period: 2s}"


class ComposeFailed(Exception):
    """The command ended with an error; the text is what it wrote."""


class ComposeProject:
    """A project named `name` whose file is `folder/docker-compose.yml`."""

    def __init__(self, engine: DockerServer, folder: Path, name: str) -> None:
        self.name = name
        self._engine = engine
        self._file = folder / "docker-compose.yml"

    def scaled(self, service: str = "worker") -> Workload:
        """Return a workload without triggers that scales a service."""
        return workload(ForeignTarget(COMPOSE_SERVICE, f"{self.name}/{service}"), f"scaled-{service}")

    def write(self, text: str) -> None:
        """Write the compose file."""
        self._file.write_text(text)

    def run(self, *arguments: str) -> str:
        """Run compose and return what it printed.

        Raises:
            ComposeFailed: It ended with an error.
        """
        done = subprocess.run(
            [COMMAND, "--project-name", self.name, "--file", str(self._file), *arguments],
            env={**os.environ, "DOCKER_HOST": self._engine.base_url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_DEADLINE_S,
        )
        if done.returncode:
            raise ComposeFailed(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def rows(self, service: str | None = None) -> list[dict[str, Any]]:
        """Return the engine's listing of the project's containers, one-off ones included."""
        labels = [f"com.docker.compose.project={self.name}"]
        if service is not None:
            labels.append(f"com.docker.compose.service={service}")
        with self._engine.client() as client:
            found: list[dict[str, Any]] = client.containers(all=True, filters={"label": labels})
        return found

    def states(self, service: str) -> dict[str, str]:
        """Return the state of each container of a service by its id."""
        return {row["Id"]: row["State"] for row in self.rows(service)}

    def running(self, service: str) -> set[str]:
        """Return the names of a service's containers that run."""
        return {row["Names"][0].removeprefix("/") for row in self.rows(service) if row["State"] == "running"}

    def inspect(self, container: str) -> dict[str, Any]:
        """Return what the engine knows of a container."""
        with self._engine.client() as client:
            return dict(client.inspect_container(container))


Projects: TypeAlias = Callable[[str], ComposeProject]
"""Makes a project whose file has this text as its services."""


async def started(projects: Projects, services: str = WORKER) -> tuple[ComposeProject, Workload]:
    """Make a project, have compose start it, and return what scales its worker, too."""
    project = projects(services)
    await asyncio.to_thread(project.run, "up", "-d")
    return project, project.scaled()


def compose_file(services: str, more: str = "") -> str:
    """Return a compose file with these services, which may say `<<: *image`, and more below them."""
    return f'version: "2.4"\nx-image: &image {{image: "{IMAGE}"}}\nservices:\n{services}\n{more}\n'

"""A private engine, and compose projects on it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from scaler.actuators.compose.actuator import ComposeActuator
from scaler.testing.servers.compose import IMAGE, ComposeProject, Projects, compose_file
from scaler.testing.servers.docker import DockerServer


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        server.busybox_image(IMAGE, "trap 'exit 0' TERM; while :; do sleep 0.05; done")
        yield server


@pytest.fixture
def projects(engine: DockerServer, tmp_path: Path) -> Iterator[Projects]:
    """Make projects whose file has this text as its services."""
    made: list[ComposeProject] = []

    def make(services: str) -> ComposeProject:
        folder = tmp_path / f"p{len(made)}"
        folder.mkdir()
        project = ComposeProject(engine, folder, f"p{uuid.uuid4().hex[:8]}")
        project.write(compose_file(services))
        made.append(project)
        return project

    yield make
    for project in made:
        project.run("down", "--volumes", "--timeout", "1", "--remove-orphans")


@pytest.fixture
async def actuator(engine: DockerServer) -> AsyncIterator[ComposeActuator]:
    async with ComposeActuator(base_url=engine.base_url, quiet_s=1.0) as actuator:
        yield actuator

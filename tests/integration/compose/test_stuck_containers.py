"""A container of a service that the engine refuses to start for good is replaced, if it is not the only one."""

from __future__ import annotations

import pytest

from scaler.actuators.compose.actuator import ComposeActuator
from scaler.model import ReplicaState
from scaler.ports.errors import EngineUnavailable, ReplicaRejected
from scaler.testing.observing import eventually, states
from scaler.testing.servers.compose import WORKER, ComposeProject, Projects
from scaler.testing.servers.docker import DockerServer
from scaler.testing.servers.socket_proxy import SocketProxy

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]

# As Docker 20.10 says of a container that an engine was about to start when it was killed.
HELD = "task 4711: already exists"


def unstarted(engine: DockerServer, project: ComposeProject) -> str:
    """Return the one container of a project that was made and not started."""
    with engine.client() as api:
        filters = {"label": f"com.docker.compose.project={project.name}", "status": "created"}
        (row,) = api.containers(all=True, filters=filters)
    return str(row["Id"])


async def test_it_is_replaced_by_another(engine: DockerServer, projects: Projects) -> None:
    project = projects(WORKER)
    project.run("up", "--detach")
    project.run("up", "--no-start", "--scale", "worker=2", "--no-recreate")
    target, stuck = project.scaled(), unstarted(engine, project)
    with SocketProxy.not_starting(engine.base_url, stuck, HELD) as proxy:
        async with ComposeActuator(base_url=proxy.url, settle_s=0.0, quiet_s=0.0) as actuator:

            async def reached() -> list[ReplicaState]:
                try:
                    await actuator.apply(target, 2)
                except EngineUnavailable as error:
                    said.append(str(error))
                return states(await actuator.observe(target))

            said: list[str] = []
            await eventually(reached, lambda seen: seen == [ReplicaState.READY] * 2)
            assert any("another container takes its place" in text for text in said)
            assert stuck not in {replica.id for replica in await actuator.observe(target)}


async def test_the_only_one_is_kept_as_others_are_made_from_it(engine: DockerServer, projects: Projects) -> None:
    project = projects(WORKER)
    project.run("up", "--no-start")
    target, stuck = project.scaled(), unstarted(engine, project)
    with SocketProxy.not_starting(engine.base_url, stuck, HELD) as proxy:
        async with ComposeActuator(base_url=proxy.url, settle_s=0.0, quiet_s=0.0) as actuator:
            with pytest.raises(ReplicaRejected, match=HELD):
                await actuator.apply(target, 1)
    assert unstarted(engine, project) == stuck

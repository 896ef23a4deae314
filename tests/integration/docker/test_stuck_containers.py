"""Containers that an engine refuses to start for good are replaced; it says what Docker 20.10 says after a kill."""

from __future__ import annotations

import uuid
from dataclasses import replace

import docker
import pytest

from scaler.actuators.docker.actuator import DockerActuator
from scaler.model import App, Container, ReplicaState
from scaler.ports.errors import EngineUnavailable
from scaler.testing.observing import eventually, states, workload
from scaler.testing.servers.docker import DockerServer
from scaler.testing.servers.socket_proxy import SocketProxy

pytestmark = pytest.mark.services

TARGET = workload(
    App((Container("worker", "scaler-test-serve"),), termination_grace_period_s=2.0, revision_suffix="v1")
)


def made(api: docker.APIClient, owner: str) -> str:
    """Create a container of ours, as a service killed before its start leaves it."""
    marks = {"owner": owner, "workload": "worker", "revision": "v1", "replica": "worker--v1-stuck"}
    labels = {f"io.scaler.{name}": value for name, value in marks.items()}
    return str(api.create_container("scaler-test-serve", name=f"stuck-{owner}", labels=labels)["Id"])


def existing(api: docker.APIClient, owner: str) -> list[str]:
    return [row["Id"] for row in api.containers(all=True, filters={"label": f"io.scaler.owner={owner}"})]


@pytest.mark.parametrize(
    "message", ["task {}: already exists", "id already in use", "something within the engine is broken"]
)
async def test_one_that_never_ran_is_replaced(docker_server: DockerServer, api: docker.APIClient, message: str) -> None:
    owner = uuid.uuid4().hex[:8]
    stuck = made(api, owner)
    with SocketProxy.not_starting(docker_server.base_url, stuck, message.format(stuck)) as proxy:
        async with DockerActuator(owner, base_url=proxy.url) as actuator:
            # What can be started is; the other's failure is told.
            applied = await actuator.apply(TARGET, 2)
            assert len(applied.started) == 1
            assert len(applied.failed) == 1
            assert "another container takes its place" in applied.failed[0]
            assert stuck not in existing(api, owner)
            await actuator.apply(TARGET, 2)
            seen = await eventually(
                lambda: actuator.observe(TARGET), lambda seen: states(seen) == [ReplicaState.READY] * 2
            )
            assert sorted(replica.id for replica in seen) == sorted(existing(api, owner))
            await actuator.remove("worker")


async def test_one_that_ran_is_kept_unless_the_engine_holds_it_for_good(
    docker_server: DockerServer, api: docker.APIClient
) -> None:
    """Its next start may go well, and its restarts are counted."""
    owner = uuid.uuid4().hex[:8]
    app = replace(TARGET.target, termination_grace_period_s=0.0) if isinstance(TARGET.target, App) else None
    target = replace(TARGET, target=app)
    stuck = made(api, owner)
    with SocketProxy.not_starting(docker_server.base_url, stuck, "not now") as proxy:
        api.start(stuck)
        async with DockerActuator(owner, base_url=proxy.url) as actuator:
            await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY])
            await actuator.apply(target, 1)
            api.kill(stuck)
            await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.CRASHED])
    assert existing(api, owner) == [stuck]
    with SocketProxy.not_starting(docker_server.base_url, stuck, f"task {stuck}: already exists") as proxy:
        async with DockerActuator(owner, base_url=proxy.url) as actuator:
            await actuator.apply(target, 1)
            await eventually(lambda: actuator.observe(target), lambda seen: stuck not in {it.id for it in seen})
            await actuator.apply(target, 1)
            await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY])
            await actuator.remove("worker")


async def test_a_lone_one_that_cannot_be_started_is_told(docker_server: DockerServer, api: docker.APIClient) -> None:
    owner = uuid.uuid4().hex[:8]
    stuck = made(api, owner)
    with SocketProxy.not_starting(docker_server.base_url, stuck, f"task {stuck}: already exists") as proxy:
        async with DockerActuator(owner, base_url=proxy.url) as actuator:
            with pytest.raises(EngineUnavailable, match="already exists; another container takes its place"):
                await actuator.apply(TARGET, 1)
            assert len((await actuator.apply(TARGET, 1)).started) == 1
            await actuator.remove("worker")

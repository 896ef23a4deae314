"""Replicas on a real Docker engine, as the engine and the container see them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import uuid
from dataclasses import replace
from typing import Any

import docker
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from scaler.actuators.docker.actuator import DockerActuator
from scaler.model import (
    App,
    Container,
    EnvVar,
    HttpGet,
    Probe,
    ProbeKind,
    Replica,
    ReplicaState,
    Resources,
    Volume,
    VolumeKind,
    VolumeMount,
)
from scaler.ports.errors import ReplicaRejected
from scaler.testing.observing import eventually, states, workload
from scaler.testing.servers.docker import DockerServer

pytestmark = pytest.mark.services

SECRET = "hunter2"  # noqa: S105 - no real one


@pytest.fixture
def owner() -> str:
    return uuid.uuid4().hex[:8]


def served(**settings: Any) -> App:
    return App((Container("worker", "scaler-test-serve", **settings),), termination_grace_period_s=2.0)


def inside(api: docker.APIClient, container: str, script: str) -> str:
    started = api.exec_create(container, ["sh", "-c", script])
    return api.exec_start(started["Id"]).decode().strip()


async def test_from_zero_to_twenty_side_by_side_and_back(docker_server: DockerServer, owner: str) -> None:
    target = workload(served())
    async with DockerActuator(owner, base_url=docker_server.base_url) as actuator:
        assert len((await actuator.apply(target, 20)).started) == 20
        await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY] * 20)
        assert len((await actuator.apply(target, 0)).stopped) == 20
        await eventually(lambda: actuator.observe(target), lambda seen: seen == ())


async def test_the_container_is_what_the_manifest_says(
    docker_server: DockerServer, api: docker.APIClient, owner: str
) -> None:
    app = App(
        (
            Container(
                "worker",
                "scaler-test-serve",
                command=("sh", "-c"),
                args=("trap 'exit 0' TERM; while :; do sleep 0.05; done", "two words"),
                env=(EnvVar("PASSWORD", SecretStr(SECRET)),),
                resources=Resources(cpu_cores=0.5, memory_bytes=64 * 1024 * 1024),
                volume_mounts=(VolumeMount("scratch", "/scratch"), VolumeMount("keys", "/etc/keys")),
            ),
        ),
        volumes=(
            Volume("scratch", VolumeKind.EMPTY_DIR),
            Volume("keys", VolumeKind.SECRET, {"redis/password": SecretStr(SECRET)}),
        ),
        termination_grace_period_s=2.0,
        revision_suffix="v1",
    )
    target = workload(app, "orders")
    with capture_logs() as logs:
        async with DockerActuator(owner, base_url=docker_server.base_url) as actuator:
            (name,) = (await actuator.apply(target, 1)).started
            (replica,) = await actuator.observe(target)
            seen = api.inspect_container(replica.id)
            assert seen["Name"] == f"/{name}"
            assert name.startswith("orders--v1-")
            assert seen["Config"]["Entrypoint"] == ["sh", "-c"]
            assert seen["Config"]["Cmd"] == list(app.containers[0].args)
            assert seen["HostConfig"]["NanoCpus"] == 500_000_000
            assert seen["HostConfig"]["Memory"] == seen["HostConfig"]["MemorySwap"] == 64 * 1024 * 1024
            assert seen["HostConfig"]["RestartPolicy"]["Name"] == "no"
            assert SECRET not in str(seen["Config"]["Labels"])
            assert inside(api, replica.id, "echo $PASSWORD $CONTAINER_APP_NAME $CONTAINER_APP_REPLICA_NAME") == (
                f"{SECRET} orders {name}"
            )
            assert inside(api, replica.id, "cat /etc/keys/redis/password") == SECRET
            assert inside(api, replica.id, "stat -c %a /scratch /etc/keys/redis/password").split() == ["777", "444"]
            assert "/scratch" in inside(api, replica.id, "mount")
            assert len(api.volumes()["Volumes"]) == 1
            await actuator.remove("orders")
    assert not api.volumes()["Volumes"]
    assert SECRET not in str(logs)


async def test_readiness_over_http_at_the_containers_own_address(docker_server: DockerServer, owner: str) -> None:
    probe = Probe(ProbeKind.READINESS, HttpGet(8080), period_s=0.2)
    target = workload(App((Container("web", "scaler-test-http", probes=(probe,)),), termination_grace_period_s=2.0))
    async with DockerActuator(owner, base_url=docker_server.base_url) as actuator:
        await actuator.apply(target, 1)
        await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY])
        await actuator.remove("worker")


@pytest.mark.parametrize(
    ("app", "named"),
    [
        pytest.param(served(resources=Resources(cpu_cores=4096.0)), "CPU", id="more-cpu-than-there-is"),
        pytest.param(served(command=("no-such-command",)), "no-such-command", id="command"),
        pytest.param(served(volume_mounts=(VolumeMount("x", "/x"),)), "x", id="volume"),
    ],
)
async def test_what_cannot_run_is_rejected_by_name(
    docker_server: DockerServer, api: docker.APIClient, owner: str, app: App, named: str
) -> None:
    async with DockerActuator(owner, base_url=docker_server.base_url) as actuator:
        with pytest.raises(ReplicaRejected, match=named):
            await actuator.apply(workload(app), 2)
    assert api.containers(all=True, filters={"label": f"io.scaler.owner={owner}"}) == []


async def test_replicas_join_the_network_they_are_given(
    docker_server: DockerServer, api: docker.APIClient, owner: str
) -> None:
    api.create_network(owner)
    target = workload(served())
    async with DockerActuator(owner, base_url=docker_server.base_url, network=owner) as actuator:
        await actuator.apply(target, 1)
        (replica,) = await actuator.observe(target)
        assert list(api.inspect_container(replica.id)["NetworkSettings"]["Networks"]) == [owner]
        await actuator.remove("worker")
    api.remove_network(owner)


async def test_a_container_that_was_never_started_is_used(
    docker_server: DockerServer, api: docker.APIClient, owner: str
) -> None:
    """As a service killed between creating and starting leaves it."""
    target = workload(replace(served(), revision_suffix="v1"))
    marks = {"owner": owner, "workload": "worker", "revision": "v1", "replica": "worker--v1-half"}
    labels = {f"io.scaler.{name}": value for name, value in marks.items()}
    made = api.create_container("scaler-test-serve", name="worker--v1-half", labels=labels)["Id"]
    async with DockerActuator(owner, base_url=docker_server.base_url) as actuator:
        assert "worker--v1-half" in (await actuator.apply(target, 2)).started
        seen = await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY] * 2)
        assert made in {replica.id for replica in seen}
        await actuator.remove("worker")


_SERVICE = """
import asyncio, sys
from scaler.actuators.docker.actuator import DockerActuator
from scaler.model import App, Container
from scaler.testing.observing import eventually, states, workload

async def main():
    app = App((Container("worker", "scaler-test-serve"),), termination_grace_period_s=2.0)
    async with DockerActuator(sys.argv[1], base_url=sys.argv[2]) as actuator:
        print("open", flush=True)
        await actuator.apply(workload(app), 5)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("after_s", [0.05, 0.2, 0.5, 1.0])
async def test_a_killed_service_loses_nothing_and_starts_nothing_twice(
    docker_server: DockerServer, api: docker.APIClient, owner: str, after_s: float
) -> None:
    process = subprocess.Popen([sys.executable, "-c", _SERVICE, owner, docker_server.base_url], stdout=subprocess.PIPE)
    assert process.stdout
    assert await asyncio.to_thread(process.stdout.readline) == b"open\n"
    await asyncio.to_thread(_kill_after, process, after_s)
    target = workload(served())
    async with DockerActuator(owner, base_url=docker_server.base_url) as actuator:

        async def applied() -> tuple[Replica, ...]:
            # What the killed service had asked for may still come, as the engine finishes what it was told: it is a
            # change, on which a count is applied again.
            await actuator.apply(target, 5)
            return await actuator.observe(target)

        await eventually(applied, lambda seen: states(seen) == [ReplicaState.READY] * 5)
        await actuator.remove("worker")
    assert api.containers(all=True, filters={"label": f"io.scaler.owner={owner}"}) == []


def _kill_after(process: subprocess.Popen[bytes], after_s: float) -> None:
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()

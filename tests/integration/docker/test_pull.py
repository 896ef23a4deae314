"""Images pulled from a real registry by a real engine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from scaler.actuators.docker.actuator import DockerActuator
from scaler.manifest import load
from scaler.model import App, Container, Registry, ReplicaState
from scaler.ports.errors import ActuatorError, RegistryUnavailable, ReplicaRejected, Transient
from scaler.testing.observing import eventually, states, workload
from scaler.testing.servers.docker import DockerServer
from scaler.testing.servers.registry import PASSWORD, USERNAME, RegistryServer

pytestmark = pytest.mark.services

WRONG_PASSWORD = "hunter2"  # noqa: S105 - no real one


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryServer]:
    with RegistryServer.running() as server:
        yield server


@pytest.fixture(scope="module")
def private_registry() -> Iterator[RegistryServer]:
    with RegistryServer.running(login=True) as server:
        yield server


@pytest.fixture(autouse=True)
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's own logins take part."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


@pytest.fixture
def repository() -> str:
    return f"team/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def owner() -> str:
    return uuid.uuid4().hex[:8]


@pytest.fixture
async def actuator(docker_server: DockerServer, owner: str) -> AsyncIterator[DockerActuator]:
    async with DockerActuator(owner, base_url=docker_server.base_url) as actuator:
        yield actuator
        for name in await actuator.owned():
            await actuator.remove(name)


class Relay:
    """Stands between an engine and a registry, and lets what the registry says through as slowly as it is told."""

    def __init__(self) -> None:
        self.pace_s = 0.0
        self.passed = 0
        self.address = ""

    @classmethod
    @contextlib.asynccontextmanager
    async def before(cls, registry: RegistryServer) -> AsyncIterator[Relay]:
        relay = cls()
        pumps: set[asyncio.Task[None]] = set()

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, slowly: bool) -> None:
            with contextlib.closing(sink), contextlib.suppress(OSError):
                while data := await source.read(16 * 1024):
                    if slowly:
                        await asyncio.sleep(relay.pace_s)
                        relay.passed += len(data)
                    sink.write(data)
                    await sink.drain()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection(registry.host, registry.port)
            pumps.add(asyncio.create_task(pump(reader, far_writer, slowly=False)))
            pumps.add(asyncio.create_task(pump(far_reader, writer, slowly=True)))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        relay.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield relay
        finally:
            server.close()
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


def pushed(docker_server: DockerServer, registry: RegistryServer, repository: str, address: str = "") -> str:
    """Put a new image into the registry and nowhere else; return the name by which `address` gives it."""
    name = f"{registry.address}/{repository}"
    script = f"trap 'exit 0' TERM; while :; do sleep 0.05; done # {uuid.uuid4()}"
    docker_server.busybox_image(f"{name}:v1", script)
    with docker_server.client() as api:
        credentials = {"username": USERNAME, "password": PASSWORD}
        lines = list(api.push(name, tag="v1", stream=True, decode=True, auth_config=credentials))
        assert not any("error" in line for line in lines), lines
        api.remove_image(f"{name}:v1")
    return f"{address or registry.address}/{repository}:v1"


def app(image: str, *registries: Registry) -> App:
    return App((Container("worker", image),), registries=registries, termination_grace_period_s=2.0)


def created(api: docker.APIClient, owner: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.containers(all=True, filters={"label": f"io.scaler.owner={owner}"})
    return found


def present(api: docker.APIClient, image: str) -> bool:
    return bool(api.images(name=image))


async def test_a_missing_image_is_pulled_and_the_replica_runs(
    docker_server: DockerServer, registry: RegistryServer, repository: str, actuator: DockerActuator
) -> None:
    image = pushed(docker_server, registry, repository)
    target = workload(app(image))
    with capture_logs() as logs:
        await actuator.apply(target, 1)
    await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY])
    told = [(line["event"], line["image"]) for line in logs]
    assert told == [("image_pull_started", image), ("image_pulled", image)]


async def test_an_image_is_pulled_by_its_digest(
    docker_server: DockerServer,
    registry: RegistryServer,
    repository: str,
    api: docker.APIClient,
    actuator: DockerActuator,
) -> None:
    image = pushed(docker_server, registry, repository)
    await actuator.apply(workload(app(image), "first"), 1)
    (digest,) = api.inspect_image(image)["RepoDigests"]
    await actuator.remove("first")
    api.remove_image(image)
    assert len((await actuator.apply(workload(app(digest), "second"), 1)).started) == 1


async def test_many_replicas_of_many_workloads_pull_their_image_once(
    docker_server: DockerServer, registry: RegistryServer, repository: str, actuator: DockerActuator
) -> None:
    image = pushed(docker_server, registry, repository)
    with capture_logs() as logs:
        applied = await asyncio.gather(
            *(actuator.apply(workload(app(image), name), 3) for name in ("orders", "mails", "bills"))
        )
        await actuator.apply(workload(app(image), "later"), 1)
    assert [len(each.started) for each in applied] == [3, 3, 3]
    assert [line["event"] for line in logs].count("image_pull_started") == 1
    assert registry.pulls(repository) == 1


async def test_a_long_pull_tells_how_far_it_is(
    docker_server: DockerServer, registry: RegistryServer, repository: str, actuator: DockerActuator
) -> None:
    async with Relay.before(registry) as relay:
        relay.pace_s = 0.05
        image = pushed(docker_server, registry, repository, relay.address)
        with capture_logs() as logs:
            await actuator.apply(workload(app(image)), 1)
    progress = [line for line in logs if line["event"] == "image_pulling"]
    assert progress
    assert all(line["image"] == image for line in progress)
    assert all(0 < line["downloaded_bytes"] <= line["known_bytes"] for line in progress)


MANIFEST = """
type: Microsoft.App/containerApps
name: worker
properties:
  configuration:
    activeRevisionsMode: Single
    secrets:
      - {{name: registry-password, value: "{password}"}}
    registries:
      - {{server: "{server}", username: {username}, passwordSecretRef: registry-password}}
  template:
    containers:
      - {{name: worker, image: "{image}", resources: {{cpu: 0.25, memory: 0.5Gi}}}}
    scale: {{minReplicas: 1, maxReplicas: 1}}
"""


async def test_the_manifests_credentials_open_a_private_registry(
    docker_server: DockerServer,
    private_registry: RegistryServer,
    repository: str,
    actuator: DockerActuator,
    tmp_path: Path,
) -> None:
    image = pushed(docker_server, private_registry, repository)
    file = tmp_path / "worker.yaml"
    file.write_text(MANIFEST.format(password=PASSWORD, server=private_registry.address, username=USERNAME, image=image))
    (target,) = load([file], scalers={}, environ={}).workloads
    with capture_logs() as logs:
        assert len((await actuator.apply(target, 1)).started) == 1
    assert PASSWORD not in str(logs)


async def test_without_credentials_in_the_manifest_dockers_own_count(
    docker_server: DockerServer,
    private_registry: RegistryServer,
    repository: str,
    owner: str,
    docker_config: Path,
) -> None:
    image = pushed(docker_server, private_registry, repository)
    login = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    docker_config.write_text(json.dumps({"auths": {private_registry.address: {"auth": login}}}))
    async with DockerActuator(owner, base_url=docker_server.base_url) as actuator:
        assert len((await actuator.apply(workload(app(image)), 1)).started) == 1
        await actuator.remove("worker")


@pytest.mark.parametrize("username", [pytest.param("", id="none"), pytest.param("mallory", id="wrong")])
async def test_wrong_credentials_are_rejected_and_never_told(  # noqa: PLR0917 - fixtures
    docker_server: DockerServer,
    private_registry: RegistryServer,
    repository: str,
    api: docker.APIClient,
    actuator: DockerActuator,
    owner: str,
    username: str,
) -> None:
    image = pushed(docker_server, private_registry, repository)
    logins = [Registry(private_registry.address, username, SecretStr(WRONG_PASSWORD))] if username else []
    encoded = base64.urlsafe_b64encode(WRONG_PASSWORD.encode()).decode()
    with capture_logs() as logs, pytest.raises(ReplicaRejected, match=image) as rejected:
        await actuator.apply(workload(app(image, *logins)), 2)
    error: BaseException | None = rejected.value
    while error is not None:
        assert WRONG_PASSWORD not in repr(error)
        assert encoded not in repr(error)
        error = error.__cause__ or error.__context__
    assert WRONG_PASSWORD not in str(logs)
    assert created(api, owner) == []


async def test_one_workloads_wrong_credentials_are_not_anothers(
    docker_server: DockerServer, private_registry: RegistryServer, repository: str, actuator: DockerActuator
) -> None:
    image = pushed(docker_server, private_registry, repository)
    wrong, right = (
        Registry(private_registry.address, USERNAME, SecretStr(password)) for password in (WRONG_PASSWORD, PASSWORD)
    )
    outcomes = await asyncio.gather(
        actuator.apply(workload(app(image, wrong), "wrong"), 1),
        actuator.apply(workload(app(image, right), "right"), 1),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], ReplicaRejected)
    assert not isinstance(outcomes[1], BaseException)
    assert len(outcomes[1].started) == 1


@pytest.mark.parametrize("name", ["{pushed}-other", "{server}/no/such:v1", "{server}-/x:v1", "{server}/-x"])
async def test_what_the_registry_lacks_is_rejected_by_name(
    docker_server: DockerServer, registry: RegistryServer, repository: str, actuator: DockerActuator, name: str
) -> None:
    image = name.format(pushed=pushed(docker_server, registry, repository), server=registry.address)
    with pytest.raises(ReplicaRejected, match=image):
        await actuator.apply(workload(app(image)), 1)


async def test_a_registry_that_is_down_is_waited_for(
    docker_server: DockerServer, registry: RegistryServer, repository: str, actuator: DockerActuator
) -> None:
    image = pushed(docker_server, registry, repository)
    target = workload(app(image))
    registry.stop()
    try:
        with pytest.raises(RegistryUnavailable, match=image):
            await actuator.apply(target, 1)
    finally:
        registry.start()
    assert len((await actuator.apply(target, 1)).started) == 1


async def test_an_engine_that_goes_down_during_a_pull_is_waited_for(
    docker_server: DockerServer, registry: RegistryServer, repository: str, actuator: DockerActuator
) -> None:
    async with Relay.before(registry) as relay:
        relay.pace_s = 0.05
        target = workload(app(pushed(docker_server, registry, repository, relay.address)))
        step = asyncio.create_task(actuator.apply(target, 1))
        await _until_layers_come(relay)
        await asyncio.to_thread(docker_server.stop)
        try:
            with pytest.raises(ActuatorError) as failed:
                await step
            assert isinstance(failed.value, Transient)
        finally:
            await asyncio.to_thread(docker_server.start)
        relay.pace_s = 0.0
        assert len((await actuator.apply(target, 1)).started) == 1


async def test_a_pull_whose_count_went_back_to_zero_leaves_no_container(  # noqa: PLR0917 - fixtures
    docker_server: DockerServer,
    registry: RegistryServer,
    repository: str,
    api: docker.APIClient,
    actuator: DockerActuator,
    owner: str,
) -> None:
    async with Relay.before(registry) as relay:
        relay.pace_s = 0.05
        image = pushed(docker_server, registry, repository, relay.address)
        target = workload(app(image))
        step = asyncio.create_task(actuator.apply(target, 3))
        await _until_layers_come(relay)
        step.cancel()
        with pytest.raises(asyncio.CancelledError):
            await step
        assert await actuator.apply(target, 0) == await actuator.apply(target, 0)
        relay.pace_s = 0.0
        await eventually(lambda: asyncio.to_thread(present, api, image), bool)
        assert created(api, owner) == []
        assert len((await actuator.apply(target, 1)).started) == 1


@pytest.mark.parametrize("moment", ["before the registry answers", "during the download"])
async def test_closing_during_a_pull_leaves_no_thread_and_no_task(  # noqa: PLR0917 - fixtures
    docker_server: DockerServer,
    registry: RegistryServer,
    repository: str,
    api: docker.APIClient,
    owner: str,
    moment: str,
) -> None:
    async with Relay.before(registry) as relay:
        image = pushed(docker_server, registry, repository, relay.address)
        relay.pace_s = 0.05
        if moment == "before the registry answers":
            relay.pace_s = 600.0
        threads = set(threading.enumerate())
        with capture_logs() as logs:
            async with DockerActuator(owner, base_url=docker_server.base_url) as actuator:
                step = asyncio.create_task(actuator.apply(workload(app(image)), 1))
                if relay.pace_s < 1:
                    await _until_layers_come(relay)
                else:
                    await eventually(lambda: _events(logs), lambda seen: "image_pull_started" in seen)
                step.cancel()
                await asyncio.wait((step,))
        assert set(threading.enumerate()) <= threads
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("docker:")]
    assert not present(api, image)
    assert created(api, owner) == []


async def _until_layers_come(relay: Relay) -> None:
    async def passed() -> int:
        return relay.passed

    await eventually(passed, lambda seen: seen > 100_000)


async def _events(logs: list[Any]) -> list[str]:
    return [line["event"] for line in logs]

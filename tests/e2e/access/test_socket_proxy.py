"""Through the filter of deploy/docker-socket-proxy: all works, and what is documented is what is called."""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from scaler.testing import http_app
from scaler.testing.http_app import image
from scaler.testing.http_client import Client
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.polling import eventually
from scaler.testing.servers.compose import ComposeProject
from scaler.testing.servers.docker_tls import TlsDockerServer
from scaler.testing.servers.redis import RedisServer
from scaler.testing.servers.registry import RegistryServer
from scaler.testing.servers.socket_proxy import SocketProxy
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

# All of it at the same time, on machines that have other things to do.
soon = functools.partial(eventually, within_s=90)

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "deploy" / "docker-socket-proxy" / "haproxy.cfg"
PAGE = ROOT / "docs" / "docker-access.md"

COMPOSE = """\
version: "2.4"
services:
  crew:
    image: {image}
    stop_grace_period: 1s
    networks: [default, back]
    labels:
      scaler.trigger.redis: "address={address} listName=crew listLength=5"
      scaler.polling-interval: 0.2
      scaler.cooldown: 0.2
networks: {{back: {{}}}}
"""


def documented() -> set[tuple[str, str]]:
    """Return method and path of the calls in the page's table."""
    rows = re.findall(r"^\| `([A-Z]+) (/\S+)` \|", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == len(set(rows))
    return set(rows)


def pattern(path: str) -> re.Pattern[str]:
    """Return what the filter matches for a path of the page."""
    parts = {"{id}": "[a-f0-9]+", "{image}": "[a-zA-Z0-9%@:/._-]+", "{network}": "[a-zA-Z0-9._-]+"}
    for name, characters in parts.items():
        path = path.replace(name, characters)
    return re.compile("^" + path.replace("/v1.N/", r"/v1\.[0-9]+/") + "$")


def worker(image: str, address: str) -> dict[str, object]:
    """A worker that follows a list and its own use of the cpu, with both kinds of volumes."""
    redis = {"address": address, "listName": "jobs", "listLength": "5"}
    cpu = {"type": "Utilization", "value": "90"}
    return {
        "name": "worker",
        "properties": {
            "configuration": {"secrets": [{"name": "token", "value": "open-sesame"}]},
            "template": {
                "terminationGracePeriodSeconds": 2,
                "volumes": [
                    {"name": "scratch", "storageType": "EmptyDir"},
                    {"name": "secrets", "storageType": "Secret"},
                ],
                "containers": [
                    {
                        "name": "main",
                        "image": image,
                        "resources": {"cpu": 0.25, "memory": "64Mi"},
                        "volumeMounts": [
                            {"volumeName": "scratch", "mountPath": "/scratch"},
                            {"volumeName": "secrets", "mountPath": "/secrets"},
                        ],
                    }
                ],
                "scale": {
                    "minReplicas": 0,
                    "maxReplicas": 3,
                    "pollingInterval": 0.2,
                    "cooldownPeriod": 0.2,
                    "rules": [
                        {"name": "jobs", "custom": {"type": "redis", "metadata": redis}},
                        {"name": "cpu", "custom": {"type": "cpu", "metadata": cpu}},
                    ],
                },
            },
        },
    }


@pytest.fixture
def pulled(engine: TlsDockerServer) -> Iterator[str]:
    """An image that a registry has, and the engine has not."""
    with RegistryServer.running() as registry, engine.client() as client:
        name = f"{registry.address}/team/worker"
        client.tag(engine.image, name, "v1")
        client.push(name, tag="v1")
        client.remove_image(f"{name}:v1")
        yield f"{name}:v1"


@pytest.fixture
def proxy(engine: TlsDockerServer) -> Iterator[SocketProxy]:
    with SocketProxy.running(CONFIG, engine.base_url) as server:
        yield server


def test_the_filter_lets_through_what_is_documented() -> None:
    rules = re.findall(r"allow if \{ method ([A-Z]+) \} \{ path -m reg (\S+) \}", CONFIG.read_text())
    assert set(rules) == {(method, pattern(path).pattern) for method, path in documented()}


def test_the_service_does_all_it_can_and_calls_what_is_documented(
    engine: TlsDockerServer, proxy: SocketProxy, pulled: str, tmp_path: Path
) -> None:
    """A worker that is pulled, measured, crashes and goes; an app from zero; a compose service: all on one service."""
    image.load(engine, "scaler-test-app:1")
    app = http_app.manifest("app", image="scaler-test-app:1", scale={**QUICK, "rules": [rule()]}, grace_s=1)
    project = ComposeProject(engine, tmp_path, f"shop{uuid.uuid4().hex[:6]}")
    with RedisServer.running() as redis, redis.client() as queue:
        address = f"{redis.host}:{redis.port}"
        project.write(COMPOSE.format(image=engine.image, address=address))
        project.run("up", "-d")
        service = HttpService(
            tmp_path, [json.dumps(worker(pulled, address)), app], actuator="auto", env={"DOCKER_HOST": proxy.url}
        )
        try:
            with service.running("--compose"):
                queue.rpush("jobs", *range(10))
                queue.rpush("crew", *range(15))
                soon(lambda: len(project.running("crew")) == 3, what="3 of the compose service")
                soon(lambda: service.api.workload("worker").ready_replicas == 2, what="2 workers")
                with Client(service.target("app"), seed=1) as client:
                    assert client.ask("GET", "/").status == 200
                with engine.client() as api:
                    (victim, *_) = (row["Id"] for row in api.containers(filters={"label": "io.scaler.workload=worker"}))
                    began = api.inspect_container(victim)["State"]["StartedAt"]
                    api.kill(victim)
                    soon(
                        lambda: api.inspect_container(victim)["State"]["StartedAt"] != began,
                        what="the same one started again",
                    )
                soon(lambda: service.api.workload("worker").triggers[1].value is not None, what="the use of the cpu")
                queue.delete("jobs", "crew")
                soon(lambda: project.running("crew") == set(), what="the compose service at zero")
                assert service.stop() == 0
                ended = service.command("down")
                assert ended.returncode == 0, ended.stderr
        finally:
            project.run("down", "--timeout", "1")
    assert engine.replicas() == []
    assert service.events("actuator_bug", "service_task_failed") == []

    def used() -> set[tuple[str, str]]:
        return {
            line for call in proxy.calls() for line in documented()
            if call.method == line[0] and pattern(line[1]).match(call.path)
        }  # fmt: skip

    soon(lambda: used() == documented(), what=f"every documented call, but for {documented() - used()}")
    assert [call for call in proxy.calls() if call.status == 403] == []


def test_a_call_outside_is_refused(proxy: SocketProxy) -> None:
    """What would let an intruder in, and paths that mean another one."""
    with docker.APIClient(base_url=proxy.url, version="auto") as client:
        identity = "0" * 64
        base = f"{client.base_url}/v{client.api_version}"
        for method, path in (
            ("POST", f"/containers/{identity}/exec"),
            ("POST", f"/containers/{identity}/update"),
            ("GET", f"/containers/{identity}/archive?path=/"),
            ("GET", f"/containers/{identity}/logs"),
            ("DELETE", "/images/busybox"),
            ("POST", "/build"),
            ("POST", "/volumes/create"),
            ("GET", "/secrets"),
            ("GET", "/info"),
            ("GET", "/images/a/%2e%2e/b/json/../../../info"),
            ("GET", f"/containers/json%2f..%2f{identity}/logs"),
        ):
            answer = client.request(method, base + path)
            assert answer.status_code == 403, path
            assert "message" in answer.json(), path
    assert all(call.status == 403 for call in proxy.calls() if call.path != "/version")


def without(*calls: str) -> str:
    """Return the filter with these calls refused."""
    lines = CONFIG.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not any(call in line for call in calls))


def test_a_proxy_that_is_too_strict_is_told(engine: TlsDockerServer, tmp_path: Path) -> None:
    """The log names each call that is refused, and the page that lists what is needed; `down` works all the same."""
    strict = tmp_path / "haproxy.cfg"
    strict.write_text(without("containers/create$", "images/create$", "events$"))
    apps = [
        {"name": name, "properties": {"template": {"containers": [{"image": image}], "scale": {"minReplicas": 1}}}}
        for name, image in (("created", engine.image), ("pulled", "127.0.0.1:1/none:1"))
    ]
    manifest = "\n---\n".join(json.dumps(app) for app in apps)
    with SocketProxy.running(strict, engine.base_url) as proxy:
        service = ServiceProcess(tmp_path, manifest, actuator="docker", env={"DOCKER_HOST": proxy.url})
        with service.running():
            for call in ("GET /v1.N/events", "POST /v1.N/containers/create", "POST /v1.N/images/create"):
                told = f"{call} is refused on the way to the Docker engine (403"
                soon(lambda told=told: told in re.sub(r"/v1\.[0-9]+/", "/v1.N/", service.log), what=told)
            assert "docs/docker-access.md" in service.log


def test_commands_tell_of_a_proxy_that_is_too_strict(engine: TlsDockerServer, tmp_path: Path) -> None:
    """With `--actuator auto`, local processes would else be run in place of containers."""
    config = tmp_path / "haproxy.cfg"
    manifest = "{name: a, properties: {template: {containers: [{image: b}], scale: {minReplicas: 1}}}}"

    def failed(config: Path, *arguments: str) -> str:
        with SocketProxy.running(config, engine.base_url) as proxy:
            service = ServiceProcess(tmp_path, manifest, actuator="auto", env={"DOCKER_HOST": proxy.url})
            done = service.command(*arguments)
        assert done.returncode != 0
        return done.stderr

    config.write_text(without("version$"))
    told = failed(config, "run", str(tmp_path / "manifest.yaml"), "--listen", "127.0.0.1:0")
    assert "GET /version is refused on the way to the Docker engine (403" in told
    config.write_text(without("containers/json$"))
    assert "/containers/json is refused on the way to the Docker engine (403" in failed(config, "validate", "--compose")

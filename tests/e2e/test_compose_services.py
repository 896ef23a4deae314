"""Services under Docker Compose, scaled by a queue: from a ScaledObject and from labels."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from redis import Redis

from scaler.testing.polling import eventually
from scaler.testing.servers.compose import ComposeProject
from scaler.testing.servers.docker import DockerServer
from scaler.testing.servers.redis import RedisServer
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

IMAGE = "scaler-test-compose:1"

FILE = f"""\
version: "2.4"
services:
  web:
    image: {IMAGE}
  worker:
    image: {IMAGE}
    stop_grace_period: 2s
    networks: {{default: {{aliases: [crew]}}, back: {{}}}}
    volumes: ["data:/data", "/scratch"]
    environment: {{MODE: fast}}
    LABELS
networks: {{back: {{}}}}
volumes: {{data: {{}}}}
"""

SCALED_OBJECT = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: crew}}
spec:
  scaleTargetRef: {{kind: ComposeService, name: {project}/worker}}
  pollingInterval: 0.5
  cooldownPeriod: 1
  maxReplicaCount: 10
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {{scaleDown: {{stabilizationWindowSeconds: 0}}}}
  triggers:
    - type: redis
      metadata: {{address: "{host}:{port}", listName: jobs, listLength: "5"}}
---
type: Microsoft.App/containerApps
name: own
properties:
  template:
    terminationGracePeriodSeconds: 2
    containers: [{{name: main, image: {image}}}]
    scale: {{minReplicas: 1}}
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        server.busybox_image(IMAGE, "trap 'exit 0' TERM; while :; do sleep 0.1; done")
        yield server


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer.running() as server:
        yield server


@pytest.fixture
def queue(redis: RedisServer) -> Iterator[Redis]:
    with redis.client() as client:
        yield client


@pytest.fixture
def project(engine: DockerServer, tmp_path: Path) -> Iterator[ComposeProject]:
    project = ComposeProject(engine, tmp_path, f"shop{uuid.uuid4().hex[:6]}")
    project.write(FILE.replace("LABELS", ""))
    yield project
    project.run("down", "--volumes", "--timeout", "1")


def volumes_of(client: docker.APIClient) -> set[str]:
    return {volume["Name"] for volume in client.volumes()["Volumes"] or ()}


def test_a_service_follows_its_queue_and_compose_finds_nothing_to_do(
    engine: DockerServer, redis: RedisServer, queue: Redis, project: ComposeProject, tmp_path: Path
) -> None:
    """1 -> 0 -> 8 -> 0 -> 1 beside an app of ours; `up -d` recreates nothing, and `down` removes all."""
    with engine.client() as client:
        volumes = volumes_of(client)
    project.run("up", "-d")
    manifest = SCALED_OBJECT.format(project=project.name, host=redis.host, port=redis.port, image=IMAGE)
    service = ServiceProcess(tmp_path, manifest, actuator="docker", env={"DOCKER_HOST": engine.base_url})
    web = project.states("web")
    (worker,) = project.states("worker")
    with service.running():
        eventually(lambda: project.states("worker") == {worker: "exited"}, what="zero, with its definition kept")

        queue.rpush("jobs", *range(40))
        eventually(lambda: len(project.running("worker")) == 8, what="8 replicas")
        assert project.states("worker")[worker] == "running"
        listed = project.run("ps")
        assert all(name in listed for name in project.running("worker"))
        separator = project.inspect(worker)["Name"].removeprefix(f"/{project.name}")[0]
        assert project.running("worker") == {f"{project.name}{separator}worker{separator}{n}" for n in range(1, 9)}

        queue.delete("jobs")
        eventually(lambda: project.states("worker") == {worker: "exited"}, what="zero again")
        queue.rpush("jobs", 1)
        eventually(lambda: project.states("worker") == {worker: "running"}, what="the same container again")

        eventually(
            lambda: [each.ready_replicas for each in service.api.workloads()] == [1, 1], what="both in the status"
        )
        project.run("up", "-d")
        assert project.states("worker") == {worker: "running"}
        assert project.states("web") == web
        service.stop()
        assert service.command("down").stdout == "1 replicas stopped\n"
    assert service.events("actuation_failed", "actuator_bug", "service_task_failed") == []
    assert project.states("worker") == {worker: "running"}
    project.run("down", "--volumes", "--timeout", "1")
    assert project.rows() == []
    with engine.client() as client:
        assert client.networks(names=[project.name]) == []
        assert volumes_of(client) == volumes


@pytest.fixture
def service(engine: DockerServer, tmp_path: Path) -> Iterator[ServiceProcess]:
    """Make a service that has no manifest at all."""
    process = ServiceProcess(tmp_path, None, actuator="docker", env={"DOCKER_HOST": engine.base_url})
    yield process
    process.stop()
    process.command("down")


def test_two_labels_are_all_that_a_service_needs(
    redis: RedisServer, queue: Redis, project: ComposeProject, service: ServiceProcess
) -> None:
    """Services are taken up, changed and let go as compose makes them, with no manifest; errors change nothing."""

    def up(*labels: str) -> None:
        lines = "".join(f'\n      {label}: "{value}"' for label, value in (each.split(": ", 1) for each in labels))
        project.write(FILE.replace("LABELS", f"labels:{lines}" if labels else ""))
        project.run("up", "-d")

    trigger = f"scaler.trigger.redis: address={redis.host}:{redis.port} listName=jobs"
    quick = ("scaler.polling-interval: 0.5", "scaler.cooldown: 1")
    service.start("--compose")
    assert service.api.workloads() == []

    up(trigger, "scaler.max: 3", *quick)
    eventually(lambda: project.running("worker") == set(), what="zero")
    queue.rpush("jobs", *range(40))
    eventually(lambda: len(project.running("worker")) == 3, what="its maximum")
    name = f"{project.name}.worker"
    assert "value 40, target 5 (AverageValue), active, wants 8" in service.command("explain", name).stdout
    assert f"{name}: 0 to 3 replicas, triggers: redis-0 (redis)" in service.command("validate", "--compose").stdout

    up(trigger, "scaler.max: many", "scaler.mix: 1", *quick)
    eventually(lambda: len(service.events("label_problem")) == 2, what="both problems")
    problems = [event["problem"] for event in service.events("label_problem")]
    place = f"compose service {project.name}/worker: labels"
    assert any(problem.startswith(f"{place}['scaler.max']: found many, expected an integer") for problem in problems)
    assert any(problem.startswith(f"{place}['scaler.mix']: found an unknown label") for problem in problems)
    eventually(lambda: len(project.running("worker")) == 3, what="scaling as before")
    refused = service.command("validate", "--compose")
    assert refused.returncode == 2
    assert problems[0] in refused.stderr
    assert service.metric("scaler_configuration_accepted") == 0

    up(trigger, "scaler.max: 2", *quick)
    eventually(lambda: len(project.running("worker")) == 2, what="the mended maximum")
    assert service.metric("scaler_configuration_accepted") == 1
    project.run("stop", "worker")
    eventually(lambda: "was stopped by hand" in service.command("explain", name).stdout, what="the reason")
    assert project.running("worker") == set()
    project.run("start", "worker")
    eventually(lambda: len(project.running("worker")) == 2, what="what compose started again")
    service.stop()
    service.start("--compose")
    eventually(lambda: [each.desired_replicas for each in service.api.workloads()] == [2], what="the same count")

    up(trigger, "scaler.max: many", *quick)
    eventually(lambda: service.metric("scaler_configuration_accepted") == 0, what="the rejected labels")
    project.run("down", "--timeout", "1")
    eventually(lambda: service.api.workloads() == [], what="no workload without a service")
    eventually(lambda: service.metric("scaler_configuration_accepted") == 1, what="nothing rejected")
    assert project.rows() == []
    up(trigger, "scaler.max: 4", *quick)
    eventually(lambda: len(project.running("worker")) == 4, what="the service's return")

    up()
    eventually(lambda: service.api.workloads() == [], what="no workload without labels")
    assert len(project.running("worker")) == 1
    assert service.events("actuator_bug", "service_task_failed", "labels_failed") == []

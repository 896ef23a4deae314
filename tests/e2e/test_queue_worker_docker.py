"""The main job on real parts: a Redis queue, a Docker engine, workers from zero and back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from scaler.testing.polling import eventually
from scaler.testing.servers.docker import DockerServer
from scaler.testing.servers.redis import RedisServer
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

IMAGE = "scaler-test-worker:1"

# Pops the list; a message holds its worker until the key `go` exists.
WORKER = """\
trap 'exit 0' TERM
ask() { printf '%s\\r\\nQUIT\\r\\n' "$1" | nc "$REDIS_HOST" "$REDIS_PORT"; }
while :; do
  case "$(ask "EXISTS go")" in
    ':1'*) ;;
    *) sleep 0.2; continue ;;
  esac
  case "$(ask "LPOP jobs")" in
    '$-1'*) sleep 0.2 ;;
    *) sleep 0.05 ;;
  esac
done
"""

APP = """\
type: Microsoft.App/containerApps
name: worker
properties:
  template:
    terminationGracePeriodSeconds: 3
    containers:
      - name: main
        image: {image}
        env:
          - {{name: REDIS_HOST, value: "{host}"}}
          - {{name: REDIS_PORT, value: "{port}"}}
"""

RULE_IN_THE_APP = """\
    scale:
      minReplicas: 0
      maxReplicas: 10
      pollingInterval: 1
      cooldownPeriod: 5
      rules:
        - name: jobs
          custom:
            type: redis
            metadata: {{address: "{host}:{port}", listName: jobs, listLength: "5"}}
"""

SCALED_OBJECT = """\
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: worker-scaling}}
spec:
  scaleTargetRef: {{kind: ContainerApp, name: worker}}
  minReplicaCount: 0
  maxReplicaCount: 10
  pollingInterval: 1
  cooldownPeriod: 5
  triggers:
    - type: redis
      name: jobs
      metadata: {{address: "{host}:{port}", listName: jobs, listLength: "5"}}
"""


class World:
    """The engine, the queue and the service under test."""

    def __init__(self, engine: DockerServer, redis: RedisServer, queue: Redis) -> None:
        self.engine = engine
        self.redis = redis
        self.queue = queue

    def containers(self) -> dict[str, str]:
        """Return the state of every container of the test's image by id, through a client of its own."""
        with self.engine.client() as client:
            found = client.containers(all=True, filters={"ancestor": IMAGE})
        return {container["Id"]: container["State"] for container in found}

    def running(self) -> set[str]:
        return {id_ for id_, state in self.containers().items() if state == "running"}

    def manifest(self, template: str) -> str:
        return template.format(image=IMAGE, host=self.redis.host, port=self.redis.port)


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        server.busybox_image(IMAGE, WORKER)
        yield server


@pytest.fixture
def world(engine: DockerServer) -> Iterator[World]:
    with engine.client() as client:
        gateway = client.inspect_network("bridge")["IPAM"]["Config"][0]["Gateway"]
    with RedisServer.running(host=gateway, keep_data=True) as redis, redis.client() as queue:
        yield World(engine, redis, queue)


@pytest.fixture
def service(world: World, tmp_path: Path) -> Iterator[ServiceProcess]:
    env = {"DOCKER_HOST": world.engine.base_url}
    process = ServiceProcess(tmp_path, world.manifest(APP + RULE_IN_THE_APP), actuator="docker", env=env)
    yield process
    process.stop()
    process.command("down")
    assert world.containers() == {}


def wait_for_a_write(service: ServiceProcess) -> None:
    """Wait until what the service knows now is in its state store."""
    now = time.time()

    def written() -> bool:
        files = (service.state_dir / name for name in ("state.db", "state.db-wal"))
        return any(file.exists() and file.stat().st_mtime > now for file in files)

    eventually(written, what="a write of the state")


@pytest.mark.parametrize("template", [APP + RULE_IN_THE_APP, APP + SCALED_OBJECT], ids=["rule", "ScaledObject"])
def test_workers_follow_the_queue_from_zero_and_back(world: World, service: ServiceProcess, template: str) -> None:
    """50 items at 5 a replica are 10 containers; drained and idle for the cooldown they all go."""
    service.manifest.write_text(world.manifest(template))
    service.start()
    assert world.containers() == {}

    world.queue.rpush("jobs", *range(50))
    eventually(lambda: len(world.running()) == 10, what="10 containers")
    lines = service.command("explain", "worker").stdout
    assert "10 replicas wanted" in lines
    assert "value 50, target 5 (AverageValue), active, wants 10" in lines

    world.queue.set("go", 1)
    eventually(lambda: world.queue.llen("jobs") == 0, what="a drained queue")
    eventually(lambda: world.containers() == {}, what="no container left, not even a stopped one")


def test_a_killed_service_finds_everything_again(world: World, service: ServiceProcess) -> None:
    """Kill -9 with 10 replicas up: the same 10 go on, none is started twice, the cooldown goes on where it was."""
    # Longer than any of its parts may take to go on.
    manifest = world.manifest(APP + RULE_IN_THE_APP)
    service.manifest.write_text(manifest.replace("cooldownPeriod: 5", "cooldownPeriod: 20"))
    world.queue.rpush("jobs", *range(50))
    service.start()
    eventually(lambda: len(world.running()) == 10, what="10 containers")
    world.queue.ltrim("jobs", 0, 39)
    before = world.running()
    wait_for_a_write(service)
    service.kill()
    assert world.running() == before

    service.start()
    assert service.api.workload("worker").desired_replicas == 10
    assert set(world.containers()) == before

    victim = next(iter(before))
    with world.engine.client() as client:
        client.remove_container(victim, force=True)
    eventually(lambda: len(world.running()) == 10, what="the removed one's replacement")
    assert len(world.running() & before) == 9

    # Idle now: the cooldown of 20 s begins with the last activity, and goes on through a second kill.
    world.queue.delete("jobs")
    waiting = eventually(
        lambda: (d := service.api.workload("worker").decision) and d.reason == "cooldown" and d, what="the cooldown"
    )
    wait_for_a_write(service)
    service.kill()
    service.start()
    resumed = service.api.workload("worker").decision
    assert resumed.reason != "cooldown" or resumed.next_change_at == pytest.approx(waiting.next_change_at, abs=1.5)
    eventually(lambda: world.containers() == {}, what="zero after the cooldown")


def test_outages_of_queue_and_engine_hold_the_count_and_are_logged_once(world: World, service: ServiceProcess) -> None:
    """Redis, then the engine, stop and start: the count is held, one log line each way, and it goes on."""
    world.queue.rpush("jobs", *range(25))
    service.start()
    eventually(lambda: len(world.running()) == 5, what="5 containers")
    before = world.running()

    world.redis.stop()
    eventually(lambda: service.events("source_lost"), what="the loss in the log")
    eventually(lambda: service.api.workload("worker").triggers[0].error, what="an unknown trigger")
    time.sleep(3)
    assert world.running() == before
    world.redis.start()
    eventually(lambda: service.events("source_returned"), what="the recovery in the log")
    lines = service.events("source_lost", "source_returned", "trigger_unavailable", "trigger_recovered")
    assert [line["event"] for line in lines] == ["source_lost", "source_returned"]

    world.engine.stop()
    world.queue.rpush("jobs", *range(25))
    eventually(lambda: service.api.workload("worker").desired_replicas == 10, what="a decision without an engine")
    world.engine.start()
    eventually(lambda: len(world.running()) == 10, what="10 containers after the engine's return")
    assert service.api.workload("worker").current_replicas <= 10


def test_edits_take_effect_and_broken_ones_change_nothing(world: World, service: ServiceProcess) -> None:
    """File watching and SIGHUP."""
    world.queue.rpush("jobs", *range(50))
    service.start()
    eventually(lambda: len(world.running()) == 10, what="10 containers")
    good = service.manifest.read_text()

    service.manifest.write_text(good.replace("maxReplicas: 10", "maxReplicas: ten"))
    eventually(lambda: service.events("configuration_kept"), what="the rejected edit in the log")
    assert len(world.running()) == 10

    service.manifest.write_text(good.replace("maxReplicas: 10", "maxReplicas: 4"))
    eventually(lambda: len(world.running()) == 4, what="4 containers")


def test_down_ends_what_the_state_dir_owns_and_nothing_else(world: World, service: ServiceProcess) -> None:
    """A stopped service leaves its replicas; `down` ends them, and refuses while the service runs."""
    world.queue.rpush("jobs", *range(10))
    service.start()
    eventually(lambda: len(world.running()) == 2, what="2 containers")
    with world.engine.client() as client:
        foreign = client.create_container(IMAGE, host_config=client.create_host_config())["Id"]
        client.start(foreign)
    refused = service.command("down")
    assert refused.returncode == 2
    assert "in use by process" in refused.stderr
    assert service.stop() == 0
    assert len(world.running()) == 3

    ended = service.command("down")
    assert ended.stdout == "2 replicas stopped\n"
    assert world.running() == {foreign}
    with world.engine.client() as client:
        client.remove_container(foreign, force=True)

"""Every example of deploy/examples runs as it stands there, on real servers: all of them on one service.

Only addresses, hours and waiting times are others than in the files. Images have the examples' own names, and are made
here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis

from scaler.testing.http_app import image
from scaler.testing.http_client import Client
from scaler.testing.http_service import HttpService
from scaler.testing.polling import eventually
from scaler.testing.servers.compose import ComposeProject
from scaler.testing.servers.docker import DockerServer
from scaler.testing.servers.kafka import KafkaServer
from scaler.testing.servers.kafka_records import KafkaRecords
from scaler.testing.servers.process import free_port
from scaler.testing.servers.rabbitmq import RabbitMQServer
from scaler.testing.servers.redis import RedisServer

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"
RUN = (
    "redis-worker.yaml",
    "kafka-consumer.yaml",
    "rabbitmq-worker.yaml",
    "http-app.yaml",
    "http-and-queue.yaml",
    "office-hours.yaml",
    "keda-from-kubernetes.yaml",
    "aca-exported.yaml",
)
# Run by other tests; see the README of the folder.
ELSEWHERE = ("redis-worker-password.yaml",)
PASSWORD = "open-sesame"  # noqa: S105 - of a server for one test

WORKER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
SERVER = "trap 'exit 0' TERM; echo fine > /www/index.html; httpd -f -p $PORT -h /www & wait $!"
PYTHON = "python:3.12-alpine"


@dataclass(frozen=True)
class World:
    """The servers."""

    engine: DockerServer
    redis: RedisServer
    locked: RedisServer
    rabbitmq: RabbitMQServer
    kafka: KafkaServer

    def manifest(self, name: str) -> str:
        """Return an example whose servers are these."""
        text = (EXAMPLES / name).read_text()
        redis = self.locked if "password" in text.lower() and name != "redis-worker.yaml" else self.redis
        text = text.replace("localhost:6379", redis.address).replace("localhost:9092", self.kafka.address)
        # Nobody waits a minute for what takes a second.
        text = re.sub(r"stabilizationWindowSeconds: \d+", "stabilizationWindowSeconds: 0", text)
        text = re.sub(r"pollingInterval: \d+", "pollingInterval: 0.2", text)
        text = re.sub(r"cooldownPeriod: \d+", "cooldownPeriod: 1", text)
        if "cooldownPeriod" not in text:
            text = re.sub(r"( +)(maxReplicaCount: .*)", r"\1\2\n\1cooldownPeriod: 1\n\1pollingInterval: 0.2", text)
        return re.sub(r"( +)(concurrentRequests: .*)", r'\1\2\n\1window: "6"', text)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    script = tmp_path_factory.mktemp("python") / "imports.py"
    script.write_text("import http.server, os, signal\n")
    with ExitStack() as stack:
        engine = stack.enter_context(DockerServer(private=True))
        named = set(re.findall(r"image: (\S+)", "".join((EXAMPLES / name).read_text() for name in RUN)))
        named |= set(re.findall(r"image: (\S+)", (EXAMPLES / "compose" / "compose.yaml").read_text()))
        for name in named - {PYTHON}:
            engine.busybox_image(name, SERVER if re.search("thumbnails|checkout", name) else WORKER)
        image.load(engine, PYTHON, script, interpreter="/bin/python3")
        locked = stack.enter_context(RedisServer.running(users=[f"default on >{PASSWORD} ~* +@all"]))
        yield World(
            engine,
            stack.enter_context(RedisServer.running()),
            locked,
            stack.enter_context(RabbitMQServer.running()),
            stack.enter_context(KafkaServer.running()),
        )


def test_each_example_is_run_or_named() -> None:
    found = {path.name for path in EXAMPLES.glob("*.yaml")}
    assert found == {*RUN, *ELSEWHERE}
    listed = (EXAMPLES / "README.md").read_text()
    for path in (
        *found,
        "compose/compose.yaml",
        "compose/scaled-object.yaml",
        "plugin-spool",
        "scalers",
        "burst.jsonl",
    ):
        assert f"]({path})" in listed, path


def office_hours(text: str, *, open_now: bool) -> str:
    """Return the schedule with other hours: those round now, or some that are not now."""
    now = datetime.now(UTC)
    begins, ends = (-2, 2) if open_now else (4, 6)
    for field, offset in (("start", begins), ("end", ends)):
        moment = now + timedelta(hours=offset)
        text = re.sub(rf"{field}: .*", f"{field}: {moment:%-M %-H} * * *", text)
    return text.replace("Europe/Berlin", "Etc/UTC")


def test_replicas_come_and_go_with_what_the_examples_follow(world: World, tmp_path: Path) -> None:
    """From zero to as many as there is work for, requests answered from zero, and back when there is nothing left."""
    records = KafkaRecords(world.kafka.address)
    asyncio.run(records.create_topic("orders", partitions=4))
    asyncio.run(records.set_lag("orders", "orders", 0))
    world.rabbitmq.declare("mails")
    labelled = compose_project(world, tmp_path / "labels", "queue", labels=True)
    plain = compose_project(world, tmp_path / "plain", "shop", labels=False)

    def manifests(*, open_now: bool) -> list[str]:
        texts = [world.manifest(name) for name in (*RUN, "compose/scaled-object.yaml")]
        return [office_hours(text, open_now=open_now) if "type: cron" in text else text for text in texts]

    env = {"DOCKER_HOST": world.engine.base_url, "REDIS_PASSWORD": PASSWORD, "RABBITMQ_URL": world.rabbitmq.amqp()}
    service = HttpService(tmp_path, manifests(open_now=True), actuator="docker", env=env)

    def ready() -> dict[str, int]:
        return {workload.name: workload.ready_replicas for workload in service.api.workloads()}

    def reach(what: str, **counts: int) -> None:
        wanted = {**dict.fromkeys(ready(), 0), **{name.replace("_", "-"): count for name, count in counts.items()}}
        wanted["queue.worker"] = counts.get("shop_worker", 0)
        try:
            eventually(lambda: ready() == wanted, within_s=90, what=what)
        except AssertionError:
            assert ready() == wanted, what

    try:
        with (
            service.running("--compose"),
            world.redis.client() as redis,
            world.locked.client(password=PASSWORD) as locked,
        ):
            eventually(lambda: "queue.worker" in ready(), what="the service with labels")
            reach("nothing to do in office hours", reports=4)
            answers = {}
            for app in ("hello", "thumbnails", "checkout"):
                with Client(service.target(app), seed=1) as client:
                    answers[app] = client.ask("GET", "/").status
            assert answers == {"hello": 200, "thumbnails": 200, "checkout": 200}
            reach("requests are over", reports=4)

            asyncio.run(records.set_lag("orders", "orders", 120))
            world.rabbitmq.publish("mails", 45)
            fill(redis, jobs=12, uploads=25)
            fill(locked, invoices=11, checkouts=6)
            busy = {"worker": 3, "orders": 3, "mailer": 3, "thumbnails": 3, "invoices": 3, "checkout": 2}
            reach("work", reports=4, shop_worker=3, **busy)

            asyncio.run(records.set_lag("orders", "orders", 0))
            world.rabbitmq.purge("mails")
            fill(redis, jobs=0, uploads=0)
            fill(locked, invoices=0, checkouts=0)
            service.manifest.write_text("\n---\n".join(manifests(open_now=False)))
            reach("no work, out of office hours")
            service.stop()
        assert PASSWORD not in service.log
        assert service.events("actuator_bug", "service_task_failed") == []
    finally:
        labelled.run("down", "--timeout", "1")
        plain.run("down", "--timeout", "1")


def fill(client: Redis, **lists: int) -> None:
    for name, items in lists.items():
        client.delete(name)
        if items:
            client.rpush(name, *range(items))


def compose_project(world: World, folder: Path, name: str, *, labels: bool) -> ComposeProject:
    """Bring the example's services up: the queue's port is another, for the test has a queue of its own."""
    folder.mkdir()
    text = (EXAMPLES / "compose" / "compose.yaml").read_text().replace("127.0.0.1:6379", f"127.0.0.1:{free_port()}")
    text = text.replace("address=localhost:6379", f"address={world.redis.address}")
    if labels:
        quick = '      scaler.cooldown: "1"\n      scaler.polling-interval: "0.2"\n'
        text = text.replace("    labels:\n", f"    labels:\n{quick}")
    else:
        text = text[: text.index("    labels:")]
    project = ComposeProject(world.engine, folder, name)
    project.write(text)
    project.run("up", "-d")
    return project

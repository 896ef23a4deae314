"""An upgrade under load: the service ends by SIGTERM, and the next one goes on with the same state dir."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from scaler.testing.http_client import Client, Shape
from scaler.testing.http_service import HttpService, quick_app
from scaler.testing.polling import eventually
from scaler.testing.servers.redis import RedisServer

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

MOST_JOBS = 20_000
COOLDOWN_S = 600
# Works off one job at a time, and says so; the one in hand is finished at SIGTERM.
WORKER = """\
import signal, socket, sys, time
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
queue, port = sys.argv[1:]
with socket.create_connection(("127.0.0.1", int(port))) as connection, connection.makefile("rb") as replies:
    def ask(command):
        connection.sendall(f"{command}\\r\\n".encode())
        reply = replies.readline()
        return replies.readline().strip().decode() if reply.startswith(b"$") and reply != b"$-1\\r\\n" else ""
    while not stopping:
        job = ask(f"LPOP {queue}")
        time.sleep(0.05)
        if job:
            ask(f"RPUSH {queue}-done {job}")
"""


def worker(name: str, port: int) -> str:
    """Return the manifest of a worker that works off a list of its name, one replica for each two jobs."""
    command = [sys.executable, "-I", "-S", "-c", WORKER, name, str(port)]
    metadata = {"address": f"127.0.0.1:{port}", "listName": name, "listLength": "2"}
    return json.dumps(
        {
            "type": "Microsoft.App/containerApps",
            "name": name,
            "properties": {
                "template": {
                    "containers": [{"name": "main", "image": "none", "command": command}],
                    "scale": {
                        "minReplicas": 0,
                        "maxReplicas": 3,
                        "pollingInterval": 0.2,
                        "cooldownPeriod": COOLDOWN_S,
                        "rules": [{"name": "jobs", "custom": {"type": "redis", "metadata": metadata}}],
                    },
                }
            },
        }
    )


class Feeder:
    """Puts numbered jobs into a list, a burst at a time."""

    def __init__(self, queue: Redis, name: str) -> None:
        self._queue = queue
        self._name = name
        self.sent = 0

    @property
    def done(self) -> list[int]:
        """The jobs that were worked off."""
        return [int(job) for job in self._queue.lrange(f"{self._name}-done", 0, -1)]

    @contextmanager
    def steadily(self) -> Iterator[None]:
        """Feed until left."""
        over = threading.Event()

        def feed() -> None:
            while self.sent < MOST_JOBS and not over.wait(0.1):
                self._queue.rpush(self._name, *range(self.sent, self.sent + 4))
                self.sent += 4

        thread = threading.Thread(target=feed, name=f"feed {self._name}")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def test_nothing_is_lost_or_doubled_and_counts_and_windows_stay(tmp_path: Path) -> None:
    with RedisServer.running() as server, server.client() as queue:
        feeder = Feeder(queue, "jobs")
        manifests = [quick_app("web", tmp_path), worker("jobs", server.port), worker("idle", server.port)]
        service = HttpService(tmp_path, manifests)
        with service.running(), Client(service.target("web"), seed=6, shape=Shape(max_seconds=0.5)) as client:
            ends_at = in_cooldown(service, queue)
            with client.steadily(4), feeder.steadily():
                service.wait_for_ready("web", 2)
                service.wait_for_ready("jobs", 2)
                # A cooldown that an upgrade began anew would end by more than the tolerance later.
                eventually(lambda: time.time() > ends_at - COOLDOWN_S + 3, what="three seconds of the cooldown")
                for _ in range(2):
                    upgrade(service, client, feeder)
            eventually(lambda: len(feeder.done) >= feeder.sent, what="all jobs worked off")
            assert sorted(feeder.done) == list(range(feeder.sent))
            assert client.tally.failure_count == 0, f"{client.tally}\n{service.log[-3000:]}"
            resumed = service.api.workload("idle").decision
            assert resumed is not None
            assert (resumed.reason, resumed.desired) == ("cooldown", 1)
            assert resumed.next_change_at == pytest.approx(ends_at, abs=1)
    assert service.repeated() == []


def in_cooldown(service: HttpService, queue: Redis) -> float:
    """Have the worker `idle` get one replica, and nothing to do for it any more; return when its cooldown ends."""
    queue.rpush("idle", "only")
    service.wait_for_ready("idle", 1)

    def waits_until() -> float | None:
        decision = service.api.workload("idle").decision
        return decision.next_change_at if decision is not None and decision.reason == "cooldown" else None

    found = eventually(waits_until, what="the cooldown")
    assert found is not None
    return found


def upgrade(service: HttpService, client: Client, feeder: Feeder) -> None:
    """Replace the service, and look at what it left meanwhile, and at what became of that."""
    envoy = service.envoy()
    assert envoy is not None
    counts = {name: service.api.workload(name).desired_replicas for name in ("jobs", "idle")}
    replicas = {name: pids(service, name) for name in counts}
    assert service.stop() == 0

    answered, done = client.tally.requests.total(), len(feeder.done)
    eventually(lambda: client.tally.requests.total() > answered + 50, what="answers without a service")
    eventually(lambda: len(feeder.done) > done + 20, what="jobs done without a service")

    service.start()
    assert service.envoy() == envoy
    for name, count in counts.items():
        assert service.api.workload(name).desired_replicas >= count, name
        assert pids(service, name) >= replicas[name], name
    answered = client.tally.requests.total()
    eventually(lambda: client.tally.requests.total() > answered + 50, what="answers after its return")


def pids(service: HttpService, name: str) -> set[int]:
    return {process.pid for process in service.processes(name)}

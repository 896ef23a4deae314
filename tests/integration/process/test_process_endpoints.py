"""Local processes that take requests: a port of their own each, on the one host that they share."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scaler.actuators.crashes import CrashBackoff
from scaler.actuators.process.actuator import ProcessActuator
from scaler.model import App, Container, HttpGet, Ingress, Probe, ProbeKind, Replica, ReplicaState
from scaler.testing.load_balancer import FakeLoadBalancer
from scaler.testing.observing import eventually, states, workload

TARGET_PORT = 8080
SCRIPT = f"exec {sys.executable} -m http.server --bind 127.0.0.1 $PORT"

# Serves one connection, hangs up first and ends: its port stays in TIME_WAIT.
_LINGER = """
import os, socket
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
client = socket.create_connection(server.getsockname())
while server.accept()[1] != client.getsockname():
    pass
client.recv(1)
"""


def app(script: str = SCRIPT, *probes: Probe) -> App:
    container = Container("web", "", command=("sh", "-c"), args=(script,), probes=probes)
    return App((container,), termination_grace_period_s=2.0, ingress=Ingress(TARGET_PORT))


@pytest.fixture(autouse=True)
def _leave_nothing(tmp_path: Path) -> Iterator[None]:
    """End what a test that failed left running."""
    yield
    for path in tmp_path.glob("replicas/*/record.json"):
        pid = json.loads(path.read_text())["pid"]
        if pid and Path(f"/proc/{pid}").exists():
            os.killpg(pid, signal.SIGKILL)


async def ready(actuator: ProcessActuator, target: Any, count: int) -> tuple[Replica, ...]:
    await actuator.apply(target, count)
    return await eventually(
        lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY] * count
    )  # fmt: skip


def program(folder: Path) -> tuple[App, Path]:
    """Return the same app by a file, without which it cannot be started."""
    file = folder / "serve"
    file.write_text(f"#!/bin/sh\n{SCRIPT}\n")
    file.chmod(0o700)
    container = Container("web", "", command=(str(file),))
    return replace(app(), containers=(container,)), file


def record(state_dir: Path, replica: Replica) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((state_dir / "replicas" / replica.id / "record.json").read_text())
    return found


async def test_each_is_told_its_own_port(tmp_path: Path) -> None:
    target = workload(app(f"echo $PORT $CONTAINER_APP_PORT; {SCRIPT}"), "web")
    async with ProcessActuator("owner", tmp_path) as actuator:
        for replica in await ready(actuator, target, 3):
            assert replica.endpoint
            port = replica.endpoint.port
            log = (tmp_path / "replicas" / replica.id / "output.log").read_text()
            assert log.splitlines()[0] == f"{port} {port}"
            assert record(tmp_path, replica)["port"] == port
        await actuator.remove("web")


async def test_a_port_stays_over_restarts(tmp_path: Path) -> None:
    target = workload(app(), "web")
    async with ProcessActuator("owner", tmp_path) as actuator:
        (before,) = await ready(actuator, target, 1)
        pid = record(tmp_path, before)["pid"]
        os.killpg(pid, signal.SIGKILL)
        await eventually(lambda: actuator.observe(target), lambda seen: seen[0].restarts == 1)
        (after,) = await ready(actuator, target, 1)
        assert after.endpoint == before.endpoint
        await actuator.remove("web")


async def test_a_port_that_somebody_took_is_given_up(tmp_path: Path) -> None:
    """While the replica is down another program listens there: the restart takes another port."""
    serving, file = program(tmp_path)
    target = workload(serving, "web")
    balancer = FakeLoadBalancer()
    backoff = CrashBackoff(first_s=0.1, maximum_s=0.1)
    async with ProcessActuator("owner", tmp_path, balancer=balancer, backoff=backoff) as actuator:
        (before,) = await ready(actuator, target, 1)
        assert before.endpoint
        file.chmod(0o600)  # so that its restart fails, and is left to the next step
        os.killpg(record(tmp_path, before)["pid"], signal.SIGKILL)
        await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.STARTING])
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind((before.endpoint.host, before.endpoint.port))
            thief.listen()
            file.chmod(0o700)
            await actuator.apply(target, 1)
            (after,) = await eventually(
                lambda: actuator.observe(target),
                lambda seen: seen[0].restarts == 1 and seen[0].state is ReplicaState.READY,
            )
            assert after.endpoint
            assert after.endpoint != before.endpoint
            thief.setblocking(False)  # noqa: FBT003 - the standard library's
            with pytest.raises(BlockingIOError):
                thief.accept()  # nobody took it for the replica
        assert balancer.ready("web")[0].endpoint == after.endpoint
        await actuator.remove("web")


async def test_a_program_that_cannot_listen_is_given_another_port(tmp_path: Path) -> None:
    """Its first run finds the port taken after all, and ends: the next one is told another."""
    first = tmp_path / "first"
    lingers = f"if [ $(wc -l < {first}) = 1 ]; then exec {sys.executable} -c '{_LINGER}'; fi"
    script = f"echo $PORT >> {first}; {lingers}; {SCRIPT}"
    target = workload(app(script), "web")
    async with ProcessActuator("owner", tmp_path) as actuator:
        await actuator.apply(target, 1)
        await eventually(
            lambda: actuator.observe(target),
            lambda seen: seen[0].restarts == 1 and seen[0].state is ReplicaState.READY,
        )
        told = first.read_text().split()
        assert len(set(told)) == 2
        await actuator.remove("web")


async def test_a_probe_of_the_target_port_asks_the_replica(tmp_path: Path) -> None:
    probe = Probe(ProbeKind.READINESS, HttpGet(TARGET_PORT, "/ready"), period_s=0.1, failure_threshold=1)
    target = workload(app(SCRIPT, probe), "web")
    async with ProcessActuator("owner", tmp_path) as actuator:
        await actuator.apply(target, 2)
        _, second = await eventually(
            lambda: actuator.observe(target),
            lambda seen: (
                states(seen) == [ReplicaState.NOT_READY] * 2 and all("404" in replica.detail for replica in seen)
            ),
        )
        (tmp_path / "replicas" / second.id / "work" / "ready").touch()
        await eventually(
            lambda: actuator.observe(target),
            lambda seen: states(seen) == [ReplicaState.NOT_READY, ReplicaState.READY],
        )
        await actuator.remove("web")


async def test_a_replica_of_an_app_without_ingress_has_no_endpoint(tmp_path: Path) -> None:
    target = workload(replace(app("exec sleep 600"), ingress=None), "worker")
    balancer = FakeLoadBalancer()
    async with ProcessActuator("owner", tmp_path, balancer=balancer) as actuator:
        (replica,) = await ready(actuator, target, 1)
        assert replica.endpoint is None
        await actuator.remove("worker")
    assert balancer.history == []


async def test_it_answers_requests(tmp_path: Path) -> None:
    target = workload(app(), "web")
    async with ProcessActuator("owner", tmp_path) as actuator:
        (replica,) = await ready(actuator, target, 1)
        assert replica.endpoint

        def ask(url: str) -> int:
            with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - our own server on loopback
                return int(response.status)

        assert await asyncio.to_thread(ask, f"http://{replica.endpoint.host}:{replica.endpoint.port}/") == 200
        await actuator.remove("web")

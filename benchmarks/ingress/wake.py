"""From a request to an app at zero to its answer, less what the app's own start takes, by processes and containers."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from benchmarks.machine import percentile
from scaler.testing import http_app
from scaler.testing.http_app import image
from scaler.testing.http_client import Client
from scaler.testing.http_service import HttpService, quick_app
from scaler.testing.servers.docker import DockerServer
from scaler.testing.servers.process import free_port

# As many as a p99 needs.
ROUNDS = {"process": 100, "docker": 100}
_IMAGE = "scaler-bench-app:1"
_LOOK_S = 0.001


def main() -> None:
    """Measure a bare start and a wake in turn, and print both and the difference."""
    for actuator, rounds in ROUNDS.items():
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scaler-bench-")))
            if actuator == "docker":
                engine = stack.enter_context(DockerServer(private=True))
                image.load(engine, _IMAGE)
                environment, app = {"DOCKER_HOST": engine.base_url}, quick_app("app", image=_IMAGE)
                start: Callable[[], float] = lambda engine=engine: _start_container(engine)  # noqa: E731
            else:
                environment, app, start = {}, quick_app("app"), _start_process
            service = HttpService(folder, [app], actuator=actuator, env=environment)
            stack.enter_context(service.running())
            client = stack.enter_context(Client(service.target("app"), seed=1))
            bare, woken = [], []
            for number in range(rounds):
                service.wait_for_zero("app")
                # In turn first and second: what came just before, and other load on the machine, meets both alike.
                for measure_bare in (True, False) if number % 2 else (False, True):
                    if measure_bare:
                        bare.append(start())
                    else:
                        woken.append(_wake(client))
                        # What is known of replicas is as old as the last tick: zero may be that from before.
                        service.wait_for_ready("app", 1)
        _report(actuator, bare, woken)


def _report(actuator: str, bare: list[float], woken: list[float]) -> None:
    p50, p99 = (1000 * percentile(bare, part) for part in (0.5, 0.99))
    print(
        f"{actuator}: {len(bare)} bare starts until it is connected to and answers: p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    )
    w50, w99 = (1000 * percentile(woken, part) for part in (0.5, 0.99))
    print(f"{actuator}: {len(woken)} requests to the app at zero: p50 {w50:.1f} ms, p99 {w99:.1f} ms")
    differences = [1000 * (with_it - without) for with_it, without in zip(woken, bare, strict=True)]
    added = [1000 * seconds - p50 for seconds in woken]
    print(
        f"{actuator}: added: median of the differences of pairs {percentile(differences, 0.5):.1f} ms; to the median"
        f" bare start p50 {percentile(added, 0.5):.1f} ms, p99 {percentile(added, 0.99):.1f} ms; p99 less p99"
        f" {w99 - p99:.1f} ms; ratio of the medians {w50 / p50:.2f}",
        flush=True,
    )


def _wake(client: Client) -> float:
    began = time.perf_counter()
    answer = client.ask("GET", "/")
    seconds = time.perf_counter() - began
    if answer.status != 200:
        raise RuntimeError(f"answered {answer.status}: {answer.body[:200]!r}")
    if int(answer.headers.get("x-scaler-held-ms", 0)) == 0:
        raise RuntimeError("it was not held: the app was not at zero")
    return seconds


def _start_process() -> float:
    port = free_port()
    began = time.perf_counter()
    with subprocess.Popen(http_app.command(), env={**os.environ, "PORT": str(port)}) as process:
        _first_answer("127.0.0.1", port)
        seconds = time.perf_counter() - began
        process.terminate()
    return seconds


def _start_container(engine: DockerServer) -> float:
    with engine.client() as client:
        began = time.perf_counter()
        container = client.create_container(_IMAGE)["Id"]
        client.start(container)
        networks = client.inspect_container(container)["NetworkSettings"]["Networks"]
        _first_answer(networks["bridge"]["IPAddress"], http_app.PORT)
        seconds = time.perf_counter() - began
        client.remove_container(container, force=True)
    return seconds


def _first_answer(host: str, port: int) -> None:
    while True:
        with suppress(OSError), closing(socket.create_connection((host, port), timeout=0.5)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n")
            if connection.recv(65536):
                return
        time.sleep(_LOOK_S)

"""What a request costs that goes through: the ingress, a bare Envoy, nginx and HAProxy in front of one backend."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.ingress import proxies, wrk
from scaler.testing import http_app
from scaler.testing.http_client import HELD, Client
from scaler.testing.http_service import HttpService, rule
from scaler.testing.polling import eventually
from scaler.testing.servers.envoy import EnvoyServer

ROUNDS = 5
SECONDS = 3
CONNECTIONS = 64
_APP = "hot"


@dataclass(slots=True)
class Way:
    """A way to the backend, and what was measured on it, a figure for each round.

    Attributes:
        name: What is in the way.
        port: Where it begins.
        processes: All that take part, whose use of the CPU counts; called each time, as they may be replaced.
    """

    name: str
    port: int
    processes: Callable[[], Sequence[psutil.Process]]
    per_s: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """Do one round; CPU is in seconds per 100,000 requests."""
        before = self._cpu_s()
        load = wrk.run(self.port, host=f"{_APP}.localhost", connections=CONNECTIONS, seconds=SECONDS)
        if load.failed:
            raise RuntimeError(f"{self.name}: {load.failed} of {load.requests} requests failed")
        self.cpu_s.append((self._cpu_s() - before) / load.requests * 100_000)
        self.per_s.append(load.per_s)
        self.p99_ms.append(load.p99_ms)

    def _cpu_s(self) -> float:
        times = [process.cpu_times() for process in self.processes()]
        return sum(time.user + time.system for time in times)

    def ratio(self, other: Way, values: Callable[[Way], list[float]]) -> float:
        """Return the median over the rounds of what this one has for each of the other's."""
        return statistics.median(mine / its for mine, its in zip(values(self), values(other), strict=True))


def main() -> None:
    """Measure all ways in turn, round after round, and print them beside the bare Envoy."""
    print(f"{CONNECTIONS} connections, one worker each, {ROUNDS} rounds of {SECONDS} s, in turn; medians")
    with ExitStack() as stack:
        ways = _open(stack)
        for _ in range(ROUNDS):
            for way in ways:
                way.measure()
    direct, ours, bare = ways[:3]
    for way in ways:
        per_s, p99, cpu = (statistics.median(values) for values in (way.per_s, way.p99_ms, way.cpu_s))
        added = statistics.median(a - b for a, b in zip(way.p99_ms, direct.p99_ms, strict=True))
        cost = f"{cpu:.2f} s of CPU per 100,000" if way is not direct else "-"
        print(f"{way.name}: {per_s:,.0f}/s, p99 {p99:.2f} ms ({added:+.2f} ms), {cost}", flush=True)
    print(
        f"ratio: the ingress to a bare Envoy: throughput {ours.ratio(bare, lambda way: way.per_s):.2f},"
        f" requests per second of CPU {bare.ratio(ours, lambda way: way.cpu_s):.2f},"
        f" p99 {ours.ratio(bare, lambda way: way.p99_ms):.2f}"
    )


def _open(stack: ExitStack) -> list[Way]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scaler-bench-")))
    scale = {"minReplicas": 1, "maxReplicas": 1, "rules": [rule(concurrentRequests="1000")]}
    app = http_app.manifest(_APP, start=proxies.backend_command(folder), scale=scale)
    service = HttpService(folder, [app])
    stack.enter_context(service.running("--envoy-concurrency", "1"))
    service.wait_for_ready(_APP, 1)
    with Client(service.target(_APP), seed=0) as client:
        eventually(lambda: HELD not in client.ask("GET", "/").headers, what="a hot route")
    backend_port = int((folder / "port").read_text())
    bare = stack.enter_context(EnvoyServer.running(backend_port))
    nginx = stack.enter_context(proxies.Nginx.running(backend_port))
    haproxy = stack.enter_context(proxies.HAProxy.running(backend_port))

    def own() -> list[psutil.Process]:
        envoy = service.envoy()
        return [psutil.Process(service.pid), *([envoy] if envoy else [])]

    return [
        Way("the backend alone (nginx)", backend_port, list),
        Way("ingress (Envoy and the service)", service.target(_APP).port, own),
        Way("bare Envoy", bare.port, lambda: [psutil.Process(bare.pid)]),
        Way("nginx", nginx.port, lambda: _with_children(nginx.pid)),
        Way("HAProxy", haproxy.port, lambda: _with_children(haproxy.pid)),
    ]


def _with_children(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]

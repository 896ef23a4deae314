"""1,000 workloads on one Redis at one read a second: what the service costs beside the same reads in a bare loop."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry
from redis import asyncio as aioredis

from benchmarks.machine import percentile
from scaler import wiring
from scaler.engine.memory import Memory
from scaler.engine.state_store import SqliteStateStore
from scaler.model import Reading, Workload
from scaler.observability.fan_out import FanOut
from scaler.observability.metrics import PrometheusRecorder
from scaler.observability.status import StatusBoard
from scaler.ports.recorder import Recorder
from scaler.testing.actuators import FakeActuator
from scaler.testing.servers.redis import RedisServer

WORKLOADS = 1000
INTERVAL_S = 1.0
SECONDS = float(os.environ.get("SCALER_BENCH_SECONDS", "60"))
_SETTLE_S = 5.0

_APP = """\
---
type: Microsoft.App/containerApps
name: worker-{number}
properties:
  template:
    containers: [{{name: main, image: worker}}]
    scale:
      maxReplicas: 10
      pollingInterval: {interval}
      rules:
        - name: jobs
          custom:
            type: redis
            metadata: {{address: "{address}", listName: "jobs-{number}", listLength: "5"}}
"""


class _Observed(Recorder):
    """Counts reads and keeps lateness."""

    def __init__(self) -> None:
        self.lateness_s: list[float] = []
        self.reads = 0
        self.errors = 0

    def woke(self, workload: Workload, *, lateness_s: float, pushed: bool) -> None:  # noqa: ARG002
        self.lateness_s.append(lateness_s)

    def read(self, workload: Workload, trigger: str, reading: Reading, *, duration_s: float) -> None:  # noqa: ARG002
        self.reads += 1
        self.errors += reading.error is not None


@dataclass(slots=True)
class _Cost:
    cpu_share: float
    memory_mb: float
    connections: int


def main() -> None:
    """Measure both and print them."""
    with RedisServer.running() as server:
        with server.client() as queue:
            for number in range(0, WORKLOADS, 10):
                queue.rpush(f"jobs-{number}", *range(1 + number % 40))
        observed = _Observed()
        ours = asyncio.run(_measure(lambda: _run_service(server, observed), server))
        bare = asyncio.run(_measure(lambda: _run_bare_loops(server), server))
    lateness = [f"{1000 * percentile(observed.lateness_s, part):.1f}" for part in (0.5, 0.99)]
    print(f"{WORKLOADS} workloads, a read each {INTERVAL_S:g} s, for {SECONDS:g} s")
    print(f"{'':24}{'CPU of a core':>14}{'memory':>12}{'connections':>13}")
    for name, cost in (("scaler", ours), ("bare read loops", bare)):
        print(f"{name:24}{cost.cpu_share:>13.1%}{cost.memory_mb:>9.0f} MB{cost.connections:>13}")
    print(f"reads {observed.reads}, failed {observed.errors}; lateness p50 {lateness[0]} ms, p99 {lateness[1]} ms")
    print(f"ratio: {ours.cpu_share / bare.cpu_share:.2f} times the CPU of reading alone, decisions and state included")


async def _measure(start: Callable[[], Awaitable[asyncio.Task[None]]], server: RedisServer) -> _Cost:
    """Run it, let it settle, and measure for the time asked."""
    task = await start()
    await asyncio.sleep(_SETTLE_S)
    process = psutil.Process()
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.sleep(SECONDS)
    share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    memory_mb = process.memory_info().rss / 1e6
    async with aioredis.Redis(host=server.host, port=server.port) as client:
        connections = len(await client.client_list()) - 1
    task.cancel()
    # redis-py may swallow a cancellation in the bare loops; the end of the event loop cancels them once more.
    await asyncio.wait((task,), timeout=10)
    return _Cost(share, memory_mb, connections)


async def _run_service(server: RedisServer, observed: _Observed) -> asyncio.Task[None]:
    manifest = "".join(
        _APP.format(number=number, address=server.address, interval=INTERVAL_S) for number in range(WORKLOADS)
    )

    async def serve() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "fleet.yaml"
            path.write_text(manifest)
            workloads = wiring.load_manifests([path]).workloads
            recorder = FanOut(PrometheusRecorder(CollectorRegistry()), StatusBoard(), observed)
            async with (
                SqliteStateStore(Path(folder) / "state.db") as store,
                FakeActuator() as actuator,
                wiring.make_service(actuator, Memory(store), recorder) as service,
            ):
                await service.run(workloads)

    return asyncio.create_task(serve())


async def _run_bare_loops(server: RedisServer) -> asyncio.Task[None]:
    """One task a list on one client: the least that 1,000 reads a second can cost in this language."""

    async def read(client: aioredis.Redis, number: int) -> None:
        await asyncio.sleep(number / WORKLOADS * INTERVAL_S)
        while True:
            await client.llen(f"jobs-{number}")
            await asyncio.sleep(INTERVAL_S)

    async def read_all() -> None:
        async with (
            aioredis.Redis(host=server.host, port=server.port, max_connections=WORKLOADS) as client,
            asyncio.TaskGroup() as tasks,
        ):
            for number in range(WORKLOADS):
                tasks.create_task(read(client, number))

    return asyncio.create_task(read_all())

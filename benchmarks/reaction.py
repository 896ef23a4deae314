"""From a message at a workload at zero to the start command: by a push of the source, and by polling."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from redis import asyncio as aioredis

from benchmarks.machine import percentile
from scaler import wiring
from scaler.engine.memory import Memory
from scaler.engine.state_store import SqliteStateStore
from scaler.model import Workload
from scaler.ports.recorder import Recorder
from scaler.testing.actuators import FakeActuator
from scaler.testing.servers.redis import RedisServer

ROUNDS = 40
INTERVAL_S = 1.0

_APP = """\
type: Microsoft.App/containerApps
name: worker
properties:
  template:
    containers: [{{name: main, image: worker}}]
    terminationGracePeriodSeconds: 0
    scale:
      maxReplicas: 10
      pollingInterval: {interval}
      cooldownPeriod: 0
      rules:
        - name: jobs
          custom:
            type: redis
            metadata: {{address: "{address}", listName: jobs, listLength: "5"}}
"""


class _Starts(Recorder):
    """Says when replicas were started, and when there are none."""

    def __init__(self) -> None:
        self.started_at = 0.0
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()

    def actuated(
        self,
        workload: Workload,  # noqa: ARG002
        *,
        started: int,
        stopped: int,
        failed: int,  # noqa: ARG002
        duration_s: float,  # noqa: ARG002
        reaction_s: float | None,  # noqa: ARG002
    ) -> None:
        if started:
            self.started_at = time.perf_counter()
            self.started.set()
        if stopped:
            self.stopped.set()


def main() -> None:
    """Measure both and print them."""
    pushed = asyncio.run(_measure(notifications="KEA"))
    polled = asyncio.run(_measure(notifications=""))
    print(f"{ROUNDS} messages to a workload at zero, polled every {INTERVAL_S:g} s; until the start command returned")
    for name, seconds in (("push", pushed), ("poll", polled)):
        p50, p99 = (1000 * percentile(seconds, part) for part in (0.5, 0.99))
        print(f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"ratio: polling takes {percentile(polled, 0.5) / percentile(pushed, 0.5):.0f} times as long as a push (p50)")


async def _measure(*, notifications: str) -> list[float]:
    starts = _Starts()
    with RedisServer.running(notifications=notifications) as server, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "worker.yaml"
        path.write_text(_APP.format(address=server.address, interval=INTERVAL_S))
        (workload,) = wiring.load_manifests([path]).workloads
        async with (
            SqliteStateStore(Path(folder) / "state.db") as store,
            FakeActuator() as actuator,
            aioredis.Redis(host=server.host, port=server.port) as queue,
            wiring.make_service(actuator, Memory(store), starts) as service,
        ):
            running = asyncio.create_task(service.run([workload]))
            # Until the first tick is over and a subscription stands.
            await asyncio.sleep(2 * INTERVAL_S)
            seconds = [await _react(queue, starts, number) for number in range(ROUNDS)]
            running.cancel()
            await asyncio.wait((running,))
    return seconds


async def _react(queue: aioredis.Redis, starts: _Starts, number: int) -> float:
    starts.started.clear()
    starts.stopped.clear()
    # Spread evenly over the polling interval (by the golden ratio), so that every phase of it is met.
    await asyncio.sleep(number * 0.618 % 1 * INTERVAL_S)
    sent_at = time.perf_counter()
    await queue.rpush("jobs", "message")
    await starts.started.wait()
    await queue.delete("jobs")
    await starts.stopped.wait()
    return starts.started_at - sent_at

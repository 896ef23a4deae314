"""1,000 workloads at zero that all get an item at the same moment: how long until each one's start command."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from redis import Redis

from benchmarks.machine import percentile
from benchmarks.service_under_test import Observed, load, serving
from scaler import wiring
from scaler.model import Workload
from scaler.testing.servers.redis import RedisServer

WORKLOADS = 1000
_SETTLE_S = 10.0


def main() -> None:
    """Measure by push, by polling at the default, and by polling faster at zero."""
    print(f"{WORKLOADS} workloads at zero get an item each at once; until the start command returned")
    medians = {}
    for name, notifications, scale in (
        ("push", "KEA", {}),
        ("poll, idlePollingInterval 0.5 s", "", {"idlePollingInterval": 0.5}),
        ("poll, 5 s (default)", "", {}),
    ):
        with RedisServer.running(notifications=notifications) as server:
            triggers = [
                {"type": "redis", "metadata": {"address": server.address, "listName": f"jobs-{number}"}}
                for number in range(WORKLOADS)
            ]
            began = time.perf_counter()
            workloads = load(triggers, cooldownPeriod=0, **scale)
            loaded_s = time.perf_counter() - began
            with asyncio.Runner(loop_factory=wiring.new_event_loop) as runner, server.client() as queue:
                applied_s, seconds = runner.run(_measure(workloads, queue))
        p50, p99 = (1000 * percentile(seconds, part) for part in (0.5, 0.99))
        medians[name] = p50
        print(
            f"{name}: p50 {p50:.0f} ms, p99 {p99:.0f} ms, last {1000 * max(seconds):.0f} ms"
            f" ({WORKLOADS} manifests read in {loaded_s:.1f} s, applied in {applied_s:.1f} s)",
            flush=True,
        )
    first, *_, last = medians.values()
    print(f"ratio: polling at the default takes {last / first:.0f} times as long as a push (p50)")


async def _measure(workloads: Sequence[Workload], queue: Redis) -> tuple[float, list[float]]:
    observed = Observed()
    async with serving(observed) as service:
        began = time.perf_counter()
        running = asyncio.create_task(service.run(workloads))
        await observed.all_read(len(workloads))
        applied_s = time.perf_counter() - began
        await asyncio.sleep(_SETTLE_S)
        with queue.pipeline() as pipeline:
            for number in range(len(workloads)):
                pipeline.rpush(f"jobs-{number}", "item")
            sent_at = time.perf_counter()
            await asyncio.to_thread(pipeline.execute)
        await observed.all_started(len(workloads))
        running.cancel()
        await asyncio.wait((running,))
    return applied_s, [moment - sent_at for moment in observed.started_at.values()]

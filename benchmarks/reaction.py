"""From a message at a workload at zero to the start command: by a push of the source, and by polling."""

from __future__ import annotations

import asyncio
import time

from benchmarks.machine import percentile
from benchmarks.service_under_test import Observed, load, serving
from benchmarks.sources.kafka import LoadedKafka
from benchmarks.sources.loaded import LoadedSource, Queues
from benchmarks.sources.redis import LoadedRedis
from scaler import wiring

ROUNDS = 100
INTERVAL_S = 1.0
MEASURED: tuple[tuple[type[LoadedSource], bool], ...] = ((LoadedRedis, True), (LoadedKafka, True), (LoadedRedis, False))


def main() -> None:
    """Measure every source that pushes, and one that only polls, and print them."""
    print(f"{ROUNDS} messages to a workload at zero, polled every {INTERVAL_S:g} s; until the start command returned")
    medians = []
    for source_class, pushing in MEASURED:
        with (
            source_class.running(1, pushing=pushing) as source,
            asyncio.Runner(loop_factory=wiring.new_event_loop) as runner,
        ):
            seconds = runner.run(_measure(source))
        p50, p99 = (1000 * percentile(seconds, part) for part in (0.5, 0.99))
        medians.append(p50)
        print(f"{source_class.name}, {'push' if pushing else 'poll'}: p50 {p50:.1f} ms, p99 {p99:.1f} ms", flush=True)
    print(f"ratio: polling takes {medians[-1] / max(medians[:-1]):.0f} times as long as the slower push (p50)")


async def _measure(source: LoadedSource) -> list[float]:
    (workload,) = load([source.trigger(0)], pollingInterval=INTERVAL_S, cooldownPeriod=0)
    observed = Observed()
    async with source.queues() as queues, serving(observed) as service:
        running = asyncio.create_task(service.run([workload]))
        # Until the first tick is over and a subscription stands.
        await asyncio.sleep(2 * INTERVAL_S)
        seconds = [await _react(queues, observed, number) for number in range(ROUNDS)]
        running.cancel()
        await asyncio.wait((running,))
    return seconds


async def _react(queues: Queues, observed: Observed, number: int) -> float:
    observed.clear()
    # Spread evenly over the polling interval (by the golden ratio), so that every phase of it is met.
    await asyncio.sleep(number * 0.618 % 1 * INTERVAL_S)
    sent_at = time.perf_counter()
    await queues.put(0)
    await observed.all_started(1)
    (started_at,) = observed.started_at.values()
    await queues.clear(0)
    await observed.all_stopped(1)
    return started_at - sent_at

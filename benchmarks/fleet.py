"""Thousands of triggers on one server: what the service costs, beside naive loops with a client for each trigger."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import psutil

from benchmarks.machine import percentile
from benchmarks.service_under_test import Observed, load, serving
from benchmarks.sources.kafka import LoadedKafka
from benchmarks.sources.loaded import LoadedSource
from benchmarks.sources.rabbitmq import LoadedRabbitMQ
from benchmarks.sources.redis import LoadedRedis
from scaler import wiring
from scaler.observability import logs

SECONDS = float(os.environ.get("SCALER_BENCH_SECONDS", "60"))
_SETTLE_S = 25.0
# How many triggers of each source, and the seconds between two reads of one.
FLEETS: tuple[tuple[type[LoadedSource], int, float], ...] = (
    (LoadedRedis, 10_000, 5.0),
    (LoadedRabbitMQ, 10_000, 5.0),
    (LoadedKafka, 1_000, 5.0),
)
# The comparison: more connections than these, and a naive loop meets the limits of servers.
NAIVE_TRIGGERS = 500
NAIVE_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took while it was watched."""

    cpu_share: float
    memory_mb: float
    connections: int
    reads: int = 0
    errors: int = 0
    lateness_s: tuple[float, float] | None = None


def main() -> None:
    """Measure every fleet, each in a process of its own, and print it."""
    print(f"each for {SECONDS:g} s; CPU as a share of one core")
    for source_class, triggers, interval_s in FLEETS:
        name = source_class.name
        with source_class.running(triggers) as source:
            asyncio.run(_fill(source, triggers))
            cost = _in_a_process(_measure_service, source, triggers, interval_s)
            _show(f"{triggers} triggers at {interval_s:g} s on one {name}", cost)
            ours = _in_a_process(_measure_service, source, NAIVE_TRIGGERS, NAIVE_INTERVAL_S)
            _show(f"{NAIVE_TRIGGERS} triggers at {NAIVE_INTERVAL_S:g} s on one {name}", ours)
            naive = _in_a_process(_measure_naive, source, NAIVE_TRIGGERS, NAIVE_INTERVAL_S)
            _show("the same, naive: a loop and a client for each", naive)
        print(
            f"ratio, naive to scaler: {naive.cpu_share / ours.cpu_share:.2f} times the CPU (reading alone), "
            f"{naive.connections / max(1, ours.connections):.0f} times the connections"
        )


async def _fill(source: LoadedSource, triggers: int) -> None:
    async with source.queues() as queues:
        for number in range(0, triggers, 10):
            await queues.put(number)


def _show(name: str, cost: Cost) -> None:
    text = f"{name}: CPU {cost.cpu_share:.1%}, memory {cost.memory_mb:.0f} MB, connections {cost.connections}"
    if cost.lateness_s is not None:
        p50, p99 = (1000 * seconds for seconds in cost.lateness_s)
        text += f", lateness p50 {p50:.1f} ms, p99 {p99:.1f} ms, reads {cost.reads}, failed {cost.errors}"
    print(text, flush=True)


def _in_a_process(measure: Callable[..., Cost], *arguments: object) -> Cost:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments)


def _measure_service(source: LoadedSource, triggers: int, interval_s: float) -> Cost:
    logs.configure(level="error")
    workloads = load([source.trigger(number) for number in range(triggers)], pollingInterval=interval_s)
    observed = Observed()

    async def measure() -> Cost:
        async with serving(observed) as service:
            running = asyncio.create_task(service.run(workloads))
            await observed.all_read(triggers)
            await asyncio.sleep(_SETTLE_S)
            observed.clear()
            cost = await _watch(source.connections)
            running.cancel()
            await asyncio.wait((running,))
        lateness = (percentile(observed.lateness_s, 0.5), percentile(observed.lateness_s, 0.99))
        return Cost(cost.cpu_share, cost.memory_mb, cost.connections, observed.reads, observed.errors, lateness)

    with asyncio.Runner(loop_factory=wiring.new_event_loop) as runner:
        return runner.run(measure())


def _measure_naive(source: LoadedSource, triggers: int, interval_s: float) -> Cost:
    async def measure() -> Cost:
        async with AsyncExitStack() as stack:
            loops = []
            for number in range(triggers):
                await asyncio.sleep(interval_s / triggers)
                loops.append(asyncio.create_task(source.read_alone(number, interval_s)))
            stack.callback(lambda: [loop.cancel() for loop in loops])
            await asyncio.sleep(_SETTLE_S)
            return await _watch(source.connections)

    with asyncio.Runner(loop_factory=wiring.new_event_loop) as runner:
        return runner.run(measure())


async def _watch(connections: Callable[[], Awaitable[int]]) -> Cost:
    process = psutil.Process()
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.sleep(SECONDS)
    share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    return Cost(share, process.memory_info().rss / 1e6, await connections())

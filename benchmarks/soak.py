"""Servers that fail and come back for an hour: tasks, sockets, threads, memory and log lines stay where they were.

`SCALER_SOAK_SECONDS` shortens it. It fails when something grew.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, redirect_stderr
from dataclasses import astuple, dataclass, fields

import psutil

from benchmarks.service_under_test import Observed, load, serving
from benchmarks.sources.kafka import LoadedKafka
from benchmarks.sources.loaded import LoadedSource
from benchmarks.sources.rabbitmq import LoadedRabbitMQ
from benchmarks.sources.redis import LoadedRedis
from scaler import wiring
from scaler.engine.garbage import LongLived
from scaler.observability import logs

SECONDS = float(os.environ.get("SCALER_SOAK_SECONDS", "3600"))
TRIGGERS_PER_SOURCE = 100
INTERVAL_S = 1.0
SOURCES: tuple[type[LoadedSource], ...] = (LoadedRedis, LoadedRabbitMQ, LoadedKafka)
# The first rounds fill caches, pools and the allocator.
WARM_UP_ROUNDS = 3
MEMORY_GROWTH = 1.1
SEED = 20261121
_MOST_LOOKS = 600
_LOOKS = 20


@dataclass(frozen=True, slots=True)
class Held:
    """What the process holds when all servers are well."""

    tasks: int
    descriptors: int
    threads: int
    memory_mb: float


def main() -> None:
    """Let servers fail in turns, and compare the end with the beginning."""
    print(f"{TRIGGERS_PER_SOURCE} triggers at {INTERVAL_S:g} s on each of {len(SOURCES)} servers, for {SECONDS:g} s")
    lines = io.StringIO()
    with ExitStack() as stack:
        sources = [stack.enter_context(kind.running(TRIGGERS_PER_SOURCE)) for kind in SOURCES]
        with redirect_stderr(lines), asyncio.Runner(loop_factory=wiring.new_event_loop) as runner:
            logs.configure(level="info")
            rounds, held = runner.run(_soak(sources))
    before, after = held[0], held[-1]
    for name, first, last in zip((part.name for part in fields(Held)), astuple(before), astuple(after), strict=True):
        print(f"{name}: {first:g} after {WARM_UP_ROUNDS} rounds, {last:g} after {rounds}, ratio {last / first:.2f}")
    count = sum('"source_' in line for line in lines.getvalue().splitlines())
    others = len(lines.getvalue().splitlines()) - count - len(SOURCES) * TRIGGERS_PER_SOURCE
    print(f"log lines: {count} of sources lost and returned in {rounds} outages, {others} others")
    if _grown(before, after) or after.memory_mb > before.memory_mb * MEMORY_GROWTH:
        raise SystemExit("something grew")


async def _soak(sources: Sequence[LoadedSource]) -> tuple[int, list[Held]]:
    chance = random.Random(SEED)  # noqa: S311 - which server fails is no secret
    triggers: list[Mapping[str, object]] = [
        source.trigger(number) for source in sources for number in range(TRIGGERS_PER_SOURCE)
    ]
    workloads = load(triggers, pollingInterval=INTERVAL_S)
    observed, held, rounds = Observed(), [], 0
    async with serving(observed) as service:
        running = asyncio.create_task(service.run(workloads))
        began = time.monotonic()
        while rounds <= WARM_UP_ROUNDS or time.monotonic() - began < SECONDS:
            await _well(observed, len(workloads))
            if rounds >= WARM_UP_ROUNDS:
                held.append(await _held(held[:1]))
            server = chance.choice(sources).server
            fail, mend = chance.choice(
                [(server.kill, server.start), (server.stop, server.start), (server.freeze, server.thaw)]
            )
            await asyncio.to_thread(fail)
            await asyncio.sleep(chance.uniform(1, 8))
            await asyncio.to_thread(mend)
            rounds += 1
        await _well(observed, len(workloads))
        held.append(await _held(held[:1]))
        running.cancel()
        await asyncio.wait((running,))
    return rounds, held


async def _well(observed: Observed, workloads: int) -> None:
    """Wait until every trigger was read twice without an error in between."""
    while True:
        observed.clear()
        await observed.all_read(2 * workloads)
        if not observed.errors:
            return


async def _held(before: Sequence[Held]) -> Held:
    """Look several times and take the least: what a read holds at a moment comes and goes.

    Where that is more than before, look longer: reads take their time on a busy machine, what leaks stays.
    """
    LongLived().set_aside()
    process = psutil.Process()
    seen: list[Held] = []
    while len(seen) < _LOOKS or (len(seen) < _MOST_LOOKS and any(_grown(each, _least(seen)) for each in before)):
        await asyncio.sleep(0.05)
        memory_mb = round(process.memory_info().rss / 1e6, 1)
        seen.append(Held(len(asyncio.all_tasks()), process.num_fds(), threading.active_count(), memory_mb))
    return _least(seen)


def _least(seen: Sequence[Held]) -> Held:
    return Held(*map(min, zip(*map(astuple, seen), strict=True)))


def _grown(before: Held, after: Held) -> bool:
    return after.tasks > before.tasks or after.descriptors > before.descriptors or after.threads > before.threads

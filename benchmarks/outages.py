"""Brokers killed with -9 at random moments while workloads scale on three of them: who suffers, and for how long.

Prints every broken promise and fails when there is one: the workloads of the other brokers are not late, nothing is
scaled down on the unknown, and everything goes on when the broker is back.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field

from benchmarks.machine import percentile
from benchmarks.service_under_test import Observed, load, serving
from benchmarks.sources.kafka import LoadedKafka
from benchmarks.sources.loaded import LoadedSource, Queues
from benchmarks.sources.rabbitmq import LoadedRabbitMQ
from benchmarks.sources.redis import LoadedRedis
from scaler import wiring
from scaler.model import Decision, Workload
from scaler.ports.recorder import Recorder

KILLS = int(os.environ.get("SCALER_BENCH_KILLS", "20"))
SEED = 20261121
INTERVAL_S = 0.5
ITEMS_PER_REPLICA = 5
TOLERANCE = 0.1
# The broker of each workload.
BROKERS: tuple[type[LoadedSource], ...] = (LoadedRedis, LoadedRabbitMQ, LoadedKafka)
WORKLOADS: tuple[type[LoadedSource], ...] = (LoadedRedis, LoadedRedis, LoadedRabbitMQ, LoadedRabbitMQ, LoadedKafka)
# A tick of a workload whose broker lives is late when it is later than this; the machine itself may be busy.
LATE_S = float(os.environ.get("SCALER_BENCH_LATE_S", "0.25"))
RETURN_DEADLINE_S = 60.0


@dataclass
class Watch(Recorder):
    """Looks at every decision and every tick for what must not be."""

    lost: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    desired: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, bool] = field(default_factory=dict)
    lateness_s: dict[bool, list[float]] = field(default_factory=lambda: defaultdict(list))
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def woke(self, workload: Workload, *, lateness_s: float, pushed: bool) -> None:  # noqa: ARG002
        """Keep how late the workloads of living brokers are, during outages and without."""
        if workload.name not in self.lost:
            self.lateness_s[bool(self.lost)].append(lateness_s)
            if self.lost and lateness_s > LATE_S:
                self.broken.append(f"{workload.name} was {lateness_s:.2f} s late while another broker was down")

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:  # noqa: ARG002
        """See that nothing is scaled down on the unknown."""
        unknown = any(trigger.error is not None for trigger in decision.triggers)
        if unknown and decision.desired < decision.current:
            self.broken.append(f"{workload.name} went {decision.current} -> {decision.desired} on the unknown")
        if unknown and workload.name not in self.lost and not self.unknown.get(workload.name, True):
            errors = [trigger.error for trigger in decision.triggers]
            self.broken.append(f"{workload.name} became unknown although its broker lives: {errors}")
        self.desired[workload.name] = decision.desired
        self.unknown[workload.name] = unknown
        self.changed.set()

    async def settled(self, wanted: Mapping[str, int]) -> None:
        """Wait until every workload is known and wants what the items of its queue say."""
        while not all(self._fits(name, items) for name, items in wanted.items()):
            self.changed.clear()
            await self.changed.wait()

    def _fits(self, name: str, items: int) -> bool:
        """Whether a known workload has the count for its items, or one that is within the default tolerance."""
        if self.unknown.get(name, True):
            return False
        carried = self.desired[name] * ITEMS_PER_REPLICA
        return carried - items in range(ITEMS_PER_REPLICA) or abs(items - carried) <= TOLERANCE * carried


def main() -> None:
    """Kill, look, start again, and print the account."""
    print(f"{KILLS} kills over {len(WORKLOADS)} workloads on {len(BROKERS)} brokers, seed {SEED}")
    with ExitStack() as stack:
        sources = {kind: stack.enter_context(kind.running(len(WORKLOADS))) for kind in BROKERS}
        with asyncio.Runner(loop_factory=wiring.new_event_loop) as runner:
            watch, returns_s = runner.run(_kill_and_watch(sources))
    for broken in watch.broken:
        print(f"broken: {broken}")
    during, without = (percentile(watch.lateness_s[outage], 0.99) for outage in (True, False))
    print(f"kills {KILLS}, broken promises {len(watch.broken)}")
    print(f"known and at the count that the queue says after: p50 {percentile(returns_s, 0.5):.1f} s, all within "
          f"{max(returns_s):.1f} s of the broker's return")  # fmt: skip
    print(f"lateness p99 of the others: {1000 * during:.1f} ms during outages, {1000 * without:.1f} ms without"
          f" (ratio {during / without:.1f})")  # fmt: skip
    if watch.broken:
        raise SystemExit(1)


async def _kill_and_watch(sources: Mapping[type[LoadedSource], LoadedSource]) -> tuple[Watch, list[float]]:
    chance = random.Random(SEED)  # noqa: S311 - which broker dies is no secret
    workloads = load(
        [sources[kind].trigger(number) for number, kind in enumerate(WORKLOADS)],
        pollingInterval=INTERVAL_S,
        maxReplicas=1000,
    )
    names = [workload.name for workload in workloads]
    items = [0] * len(WORKLOADS)
    watch, returns_s = Watch(), []
    async with serving(Observed(), watch) as service:
        running = asyncio.create_task(service.run(workloads))
        await _put(sources, items, chance)
        await watch.settled(_wanted(names, items))
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0, 2))
            kind = chance.choice(BROKERS)
            watch.lost = {name for name, broker in zip(names, WORKLOADS, strict=True) if broker is kind}
            await asyncio.to_thread(sources[kind].server.kill)
            await asyncio.sleep(chance.uniform(0.5, 4))
            await asyncio.to_thread(sources[kind].server.start)
            returned_at = time.perf_counter()
            await _put(sources, items, chance)
            try:
                async with asyncio.timeout(RETURN_DEADLINE_S):
                    await watch.settled(_wanted(names, items))
            except TimeoutError:
                watch.broken.append(
                    f"after a kill of {kind.name}: items {_wanted(names, items)}, replicas {watch.desired}"
                )
            returns_s.append(time.perf_counter() - returned_at)
            watch.lost = set()
        running.cancel()
        await asyncio.wait((running,))
    return watch, returns_s


async def _put(sources: Mapping[type[LoadedSource], LoadedSource], items: list[int], chance: random.Random) -> None:
    """Add a replica's worth of items or more to every queue, by clients that did not see the outage."""
    async with AsyncExitStack() as stack:
        queues: dict[type[LoadedSource], Queues] = {
            kind: await stack.enter_async_context(source.queues()) for kind, source in sources.items()
        }
        for number, kind in enumerate(WORKLOADS):
            for _ in range(chance.randint(ITEMS_PER_REPLICA, 3 * ITEMS_PER_REPLICA)):
                await queues[kind].put(number)
                items[number] += 1


def _wanted(names: Sequence[str], items: Sequence[int]) -> dict[str, int]:
    return dict(zip(names, items, strict=True))

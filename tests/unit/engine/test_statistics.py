"""Rates, ages and limits from an actuator's counts: what one run of a replica used over the last seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from scaler.engine.statistics import REFRESH_S, SHORTEST_WINDOW_S, WINDOW_S, ReplicaStatistics, declared_limit
from scaler.model import (
    App,
    Container,
    ForeignTarget,
    Replica,
    ReplicaSample,
    ReplicaState,
    Resource,
    Resources,
    ScalingPolicy,
    Workload,
)
from scaler.ports.actuator import Actuator, Applied, Usage
from scaler.ports.errors import EngineUnavailable, SourceUnavailable

START = 1_000_000.0
ENGINE_CLOCK = 77.0  # has nothing to do with ours
APP = App((Container("main", "image", resources=Resources(0.5, 1000)),))
WORKLOAD = Workload("worker", APP, (), ScalingPolicy())
SERVICE = Workload("worker", ForeignTarget("ComposeService", "shop/worker"), (), ScalingPolicy())


class Engine(Actuator):
    """Replicas and counts as a test writes them, on a clock that it moves."""

    kind = "scripted"

    def __init__(self) -> None:
        self.time = START
        self.replicas: dict[str, Replica] = {}
        self.cpu_s: dict[str, float] = {}
        self.down = False
        self.asked = 0
        self.latency_s = 0.0
        self.statistics = ReplicaStatistics(WORKLOAD, self, self)

    def run(self, id_: str, state: ReplicaState = ReplicaState.READY, *, started_at: float | None = START) -> None:
        self.replicas[id_] = Replica(id_, f"name-{id_}", "worker", "1", state, started_at)
        self.cpu_s.setdefault(id_, 0.0)

    async def after(self, seconds: float, resource: Resource = Resource.CPU, **cores: float) -> list[ReplicaSample]:
        """Let replicas use so many cores for a while, and return the samples."""
        self.time += seconds
        for id_, used in cores.items():
            self.cpu_s[id_] += used * seconds
        return list(await self.statistics.samples(resource))

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time

    async def observe(self, workload: Workload) -> tuple[Replica, ...]:
        assert workload is WORKLOAD
        if self.down:
            raise EngineUnavailable("no answer")
        return tuple(self.replicas.values())

    async def usage(self, workload: Workload) -> tuple[Usage, ...]:
        assert workload is WORKLOAD
        self.asked += 1
        self.time += self.latency_s
        at_s = self.time - START + ENGINE_CLOCK
        return tuple(
            Usage(id_, at_s, self.cpu_s[id_], 400)
            for id_, replica in self.replicas.items()
            if replica.state is not ReplicaState.CRASHED and id_ in self.cpu_s
        )

    async def __aexit__(self, *_: object) -> None:
        raise NotImplementedError

    async def apply(self, workload: Workload, count: int) -> Applied:
        raise NotImplementedError

    def changes(self) -> AsyncIterator[str]:
        raise NotImplementedError

    async def owned(self) -> Mapping[str, tuple[Replica, ...]]:
        raise NotImplementedError

    async def remove(self, workload_name: str) -> None:
        raise NotImplementedError


@pytest.fixture
def engine() -> Engine:
    return Engine()


async def test_cpu_takes_two_counts_and_then_is_a_rate(engine: Engine) -> None:
    engine.run("a")
    (sample,) = await engine.after(1)
    assert sample.usage is None
    (sample,) = await engine.after(SHORTEST_WINDOW_S - 1, a=1)
    assert sample.usage is None
    (sample,) = await engine.after(1, a=0)
    assert sample == ReplicaSample(
        "name-a",
        ReplicaState.READY,
        usage=pytest.approx((SHORTEST_WINDOW_S - 1) / SHORTEST_WINDOW_S),
        limit=0.5,
        running_s=SHORTEST_WINDOW_S + 1,
        settled_s=SHORTEST_WINDOW_S + 1,
        window_s=SHORTEST_WINDOW_S,
    )


async def test_the_rate_is_over_the_window_and_no_more_is_kept(engine: Engine) -> None:
    engine.run("a")
    for _ in range(100):
        await engine.after(2, a=1)
    for _ in range(8):
        (sample,) = await engine.after(2, a=0.25)
    assert WINDOW_S <= sample.window_s < WINDOW_S + 2
    assert sample.usage == pytest.approx(0.25)
    kept = engine.statistics._histories["a"].counts
    assert len(kept) <= WINDOW_S / 2 + 2


async def test_a_long_interval_between_reads_is_the_window(engine: Engine) -> None:
    engine.run("a")
    await engine.after(1)
    (sample,) = await engine.after(60, a=0.5)
    assert (sample.usage, sample.window_s) == (0.5, 60)


async def test_memory_is_there_at_once(engine: Engine) -> None:
    engine.run("a")
    (sample,) = await engine.after(0, Resource.MEMORY)
    assert (sample.usage, sample.limit, sample.window_s) == (400, 1000, 0)


async def test_a_replica_that_is_gone_takes_its_history_along(engine: Engine) -> None:
    engine.run("a")
    engine.run("b")
    await engine.after(5)
    del engine.replicas["a"]
    (sample,) = await engine.after(5)
    assert sample.replica == "name-b"
    assert list(engine.statistics._histories) == ["b"]


async def test_a_restart_in_place_begins_a_history(engine: Engine) -> None:
    engine.run("a")
    await engine.after(5)
    (sample,) = await engine.after(5, a=1)
    assert sample.usage == 1
    engine.run("a", ReplicaState.CRASHED)
    (sample,) = await engine.after(2)
    assert sample.usage is None
    engine.cpu_s["a"] = 0.1
    engine.run("a", started_at=START + 12)
    (sample,) = await engine.after(5)
    assert (sample.usage, sample.running_s, sample.settled_s) == (None, 5, 5)
    (sample,) = await engine.after(5, a=0.5)
    assert sample.usage == pytest.approx(0.5)


async def test_a_count_that_fell_is_of_another_run(engine: Engine) -> None:
    """The engine's listing may be older than its count."""
    engine.run("a")
    await engine.after(5)
    await engine.after(5, a=1)
    engine.cpu_s["a"] = 0
    (sample,) = await engine.after(5)
    assert sample.usage is None


async def test_what_is_not_counted_any_more_is_missing(engine: Engine) -> None:
    engine.run("a")
    await engine.after(5)
    await engine.after(5)
    del engine.cpu_s["a"]
    (sample,) = await engine.after(5)
    assert sample.usage is None


async def test_readiness_is_dated(engine: Engine) -> None:
    engine.run("a", ReplicaState.STARTING)
    (sample,) = await engine.after(3)
    assert sample.settled_s == 3
    engine.run("a", ReplicaState.READY)
    (sample,) = await engine.after(4)
    assert sample.settled_s == 0
    (sample,) = await engine.after(5)
    assert (sample.settled_s, sample.running_s) == (5, 12)
    engine.run("a", ReplicaState.NOT_READY)
    (sample,) = await engine.after(6)
    assert sample.settled_s == 0


async def test_an_engine_that_answers_slowly_moves_no_window_over_the_start(engine: Engine) -> None:
    engine.run("a")
    await engine.after(0.1)
    engine.latency_s = 0.5
    (sample,) = await engine.after(5, a=1)
    assert sample.usage is not None
    assert sample.measured_s <= sample.settled_s - sample.window_s


async def test_a_start_in_the_future_of_another_clock_is_now(engine: Engine) -> None:
    engine.run("a", started_at=START + 1000)
    await engine.after(1)
    (sample,) = await engine.after(5)
    assert (sample.running_s, sample.settled_s) == (5, 5)


async def test_what_has_not_run_has_no_age(engine: Engine) -> None:
    engine.run("a", ReplicaState.STARTING, started_at=None)
    del engine.cpu_s["a"]
    (sample,) = await engine.after(3)
    assert (sample.running_s, sample.usage) == (None, None)


async def test_the_engine_is_asked_once_in_a_while_however_many_ask(engine: Engine) -> None:
    engine.run("a")
    for _ in range(15):
        await engine.after(REFRESH_S / 10)
    (sample,) = await engine.after(0, Resource.MEMORY)
    assert engine.asked == 2
    assert 0 < sample.measured_s < REFRESH_S


async def test_an_outage_is_an_unavailable_source_and_loses_no_history(engine: Engine) -> None:
    engine.run("a")
    await engine.after(5)
    engine.down = True
    with pytest.raises(SourceUnavailable, match="no answer"):
        await engine.after(5)
    engine.down = False
    (sample,) = await engine.after(5, a=1)
    assert sample.window_s == 10


def test_the_limit_is_that_of_all_containers_or_of_the_named_one() -> None:
    app = App(
        (
            Container("main", "image", resources=Resources(0.5, 1000)),
            Container("side", "image", resources=Resources(0.25)),
        )
    )
    workload = Workload("worker", app, (), ScalingPolicy())
    assert declared_limit(workload, Resource.CPU, None) == 0.75
    assert declared_limit(workload, Resource.CPU, "side") == 0.25
    assert declared_limit(workload, Resource.MEMORY, None) is None
    assert declared_limit(workload, Resource.MEMORY, "main") == 1000
    assert declared_limit(workload, Resource.MEMORY, "other") is None
    elsewhere = Workload("worker", ForeignTarget("Deployment", "worker"), (), ScalingPolicy())
    assert declared_limit(elsewhere, Resource.CPU, None) is None


class ServiceEngine(Engine):
    """Tells limits itself, with each count."""

    def __init__(self) -> None:
        super().__init__()
        self.statistics = ReplicaStatistics(SERVICE, self, self)

    async def observe(self, workload: Workload) -> tuple[Replica, ...]:
        assert workload is SERVICE
        return await super().observe(WORKLOAD)

    async def usage(self, workload: Workload) -> tuple[Usage, ...]:
        assert workload is SERVICE
        return tuple(replace(usage, cpu_limit=0.5) for usage in await super().usage(WORKLOAD))


async def test_a_crashed_replica_of_a_service_is_missing_and_not_without_a_limit() -> None:
    engine = ServiceEngine()
    engine.run("a")
    engine.run("b", ReplicaState.CRASHED)
    await engine.after(1)
    serving, crashed = await engine.after(5, a=0.5)
    assert (serving.usage, serving.limit) == (pytest.approx(0.5), 0.5)
    assert (crashed.usage, crashed.limit) == (None, 0.5)

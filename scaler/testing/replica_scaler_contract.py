"""What every scaler on the replicas' own use promises: a test suite on an actuator that runs real replicas."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from scaler.engine.clock import SystemClock
from scaler.engine.connections import SharedConnections
from scaler.engine.statistics import ReplicaStatistics
from scaler.model import App, MetricType, ReplicaSample, ScalingPolicy, TriggerKind, Workload
from scaler.ports.actuator import Actuator
from scaler.ports.errors import SourceUnavailable
from scaler.ports.scaler import ReplicaScaler
from scaler.testing.declaration_contract import DeclarationContract
from scaler.testing.driving import POLL_S
from scaler.testing.leaks import no_leaks

# Replicas have to start, and cpu to be counted over some seconds.
PATIENCE_S = 60.0


class ReplicaScalerContract(DeclarationContract):
    """The promises of `scaler.ports.scaler.ReplicaScaler`.

    Attributes:
        limit: What the containers of `app` declare, in cores or bytes.
    """

    limit: ClassVar[float]

    @abstractmethod
    def actuator(self) -> Actuator:
        """Return the actuator that runs the replicas."""

    @abstractmethod
    def app(self, *, loaded: bool) -> App:
        """Return an app with one container `main`, that uses hardly anything of the resource, or much of it."""

    async def break_engine(self) -> None:
        """Make the engine answer no more; one that cannot be broken need not."""
        pytest.skip("the engine cannot be broken")

    async def restore_engine(self) -> None:
        """Bring it back, with what ran on it."""

    @asynccontextmanager
    async def running(self, replicas: int, *, loaded: bool = False) -> AsyncIterator[tuple[Actuator, Workload]]:
        """Run that many replicas for the length of a block."""
        workload = Workload("measured", self.app(loaded=loaded), (), ScalingPolicy())
        async with self.actuator() as actuator:
            try:
                await actuator.apply(workload, replicas)
                yield actuator, workload
            finally:
                await actuator.remove(workload.name)

    @asynccontextmanager
    async def open(
        self, actuator: Actuator, workload: Workload, parameters: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Any]:
        """Open the scaler as the engine does."""
        async with SharedConnections() as connections, self.scaler.open(self.config(parameters), connections) as scaler:
            assert isinstance(scaler, ReplicaScaler)
            scaler.attach(ReplicaStatistics(workload, actuator, SystemClock()))
            yield scaler

    async def samples(
        self, scaler: Any, expected: Callable[[tuple[ReplicaSample, ...]], bool]
    ) -> tuple[ReplicaSample, ...]:
        """Read until the samples are as expected, and return them."""
        seen: tuple[ReplicaSample, ...] | None = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while seen is None or not expected(seen):
                    await asyncio.sleep(POLL_S)
                    seen = (await scaler.read()).samples
        except TimeoutError:
            pytest.fail(f"not as expected; last seen: {seen}")
        return seen

    async def test_without_a_replica_there_is_no_sample(self) -> None:
        async with self.running(0) as (actuator, workload), self.open(actuator, workload) as scaler:
            reading = await scaler.read()
        assert reading.samples == ()
        assert reading.error is None

    async def test_each_replica_is_measured_beside_its_limit(self) -> None:
        async with self.running(2) as (actuator, workload), self.open(actuator, workload) as scaler:
            samples = await self.samples(scaler, lambda seen: len(seen) == 2 and _measured(seen))
            names = {replica.name for replica in await actuator.observe(workload)}
        assert {sample.replica for sample in samples} == names
        assert {sample.limit for sample in samples} == {self.limit}
        assert all(sample.running_s is not None and sample.running_s >= sample.window_s for sample in samples)

    async def test_a_loaded_replica_uses_more_than_an_idle_one(self) -> None:
        async with self.running(1) as (actuator, workload), self.open(actuator, workload) as scaler:
            (idle,) = await self.samples(scaler, _measured)
        async with self.running(1, loaded=True) as (actuator, workload), self.open(actuator, workload) as scaler:
            await self.samples(
                scaler, lambda seen: _measured(seen) and (seen[0].usage or 0) > 2 * (idle.usage or 0) + self.limit / 20
            )

    async def test_the_named_container_is_measured(self) -> None:
        parameters = {**self.parameters(), "containerName": "main"}
        async with self.running(1) as (actuator, workload), self.open(actuator, workload, parameters) as scaler:
            (sample,) = await self.samples(scaler, _measured)
        assert sample.limit == self.limit

    async def test_a_replica_that_is_gone_leaves_no_sample(self) -> None:
        async with self.running(2) as (actuator, workload), self.open(actuator, workload) as scaler:
            await self.samples(scaler, lambda seen: len(seen) == 2)
            await actuator.apply(workload, 1)
            (sample,) = await self.samples(scaler, lambda seen: len(seen) == 1)
            (replica,) = await actuator.observe(workload)
        assert sample.replica == replica.name

    async def test_an_outage_is_unavailable_and_ends_without_reopening(self) -> None:
        async with self.running(1) as (actuator, workload), self.open(actuator, workload) as scaler:
            await self.samples(scaler, lambda seen: len(seen) == 1)
            await self.break_engine()
            try:
                await _until(scaler, unavailable=True)
            finally:
                await self.restore_engine()
            await _until(scaler, unavailable=False)

    async def test_cancelling_a_read_propagates_and_leaves_others_alone(self) -> None:
        async with self.running(1) as (actuator, workload), self.open(actuator, workload) as scaler:
            async with asyncio.TaskGroup() as tasks:
                cancelled = tasks.create_task(scaler.read())
                others = [tasks.create_task(scaler.read()) for _ in range(4)]
                await asyncio.sleep(0)
                cancelled.cancel()
            assert cancelled.cancelled()
        assert {len(task.result().samples) for task in others} == {1}

    async def test_closing_leaves_nothing_behind(self) -> None:
        async with no_leaks(), self.running(1) as (actuator, workload), self.open(actuator, workload) as scaler:
            await self.samples(scaler, lambda seen: len(seen) == 1)

    async def test_reading_without_statistics_says_so(self) -> None:
        async with SharedConnections() as connections, self.scaler.open(self.config(), connections) as scaler:
            with pytest.raises(SourceUnavailable):
                await scaler.read()

    def test_it_is_about_the_replicas_own_use(self) -> None:
        assert self.scaler.kind is TriggerKind.RESOURCE
        assert self.scaler.metric_types == {MetricType.UTILIZATION, MetricType.AVERAGE_VALUE}
        assert self.config().metric_type(MetricType.AVERAGE_VALUE) is MetricType.AVERAGE_VALUE


def _measured(samples: tuple[ReplicaSample, ...]) -> bool:
    return bool(samples) and all(sample.usage is not None for sample in samples)


async def _until(scaler: Any, *, unavailable: bool) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await scaler.read()
                failed = False
            except SourceUnavailable:
                failed = True
            if failed is unavailable:
                return
            await asyncio.sleep(POLL_S)

"""The suite of what every actuator promises about counts, whether it owns its replicas or scales what runs already."""

from __future__ import annotations

import asyncio
import gc
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from scaler.model import ForeignTarget, Replica, ReplicaState, Workload
from scaler.ports.actuator import Actuator
from scaler.ports.errors import EngineUnavailable, ReplicaRejected, TargetUnavailable
from scaler.testing.observing import PATIENCE_S, changes_of, engine_lacks, eventually, states, workload


class ScalingContract(ABC):
    """What `Actuator` promises of any target, shown on a real engine.

    The back door must not use the actuator. All actuators that `make` returns in one test share one engine, on which
    nothing runs at first.
    """

    @abstractmethod
    def make(self, owner: str, **settings: Any) -> Actuator:
        """Return a new actuator for an owner, on this test's engine; `settings` are keyword arguments of its class."""

    @abstractmethod
    def workload(self, behaviour: str = "serve", name: str = "worker", *, grace_s: float = 2.0) -> Workload:
        """Return a workload without replicas, whose replicas run until SIGTERM ("serve") or ignore it ("stubborn").

        Called again with the same arguments it returns an equal one.
        """

    @abstractmethod
    async def running(self, owner: str) -> list[str]:
        """Return the names of an owner's replicas that really run."""

    @abstractmethod
    async def remove_by_hand(self, replica: Replica) -> None:
        """Remove a replica from outside, so that nothing of it is left."""

    @abstractmethod
    async def ignores_sigterm(self, replica: Replica) -> bool:
        """Return whether a replica of the stubborn app has come as far as ignoring the signal."""

    async def left(self) -> list[str]:
        """Return what exists of a workload that was brought to zero, apart from what is needed to start again."""
        return await self.running("contract")

    # Helpers

    @asynccontextmanager
    async def opened(self, owner: str = "contract", **settings: Any) -> AsyncIterator[Actuator]:
        """Open an actuator for the length of a block."""
        async with self.make(owner, **settings) as actuator:
            yield actuator

    async def reach(self, actuator: Actuator, target: Workload, count: int) -> tuple[Replica, ...]:
        """Apply a count and wait until all are ready, nothing else is left, and the engine agrees."""
        await eventually(lambda: _accepted(actuator.apply(target, count)), bool)
        replicas = await self.settled(actuator, target, count)
        names = sorted(replica.name for replica in replicas)
        await eventually(lambda: self.running("contract"), lambda running: sorted(running) == names)
        return replicas

    async def settled(self, actuator: Actuator, target: Workload, count: int) -> tuple[Replica, ...]:
        """Wait until exactly `count` replicas are ready and none else is left."""
        return await eventually(
            lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY] * count
        )

    # Counts

    async def test_scales_up_down_and_to_zero(self) -> None:
        """Counts are reached in both directions, the latest go first, and zero leaves nothing behind."""
        target = self.workload()
        async with self.opened() as actuator:
            applied = await actuator.apply(target, 3)
            assert len(applied.started) == 3
            assert (applied.stopped, applied.failed) == ((), ())
            before = await self.settled(actuator, target, 3)
            assert {replica.name for replica in before} == set(applied.started)
            assert {replica.workload for replica in before} == {"worker"}
            assert all(replica.started_at for replica in before)
            after = await self.reach(actuator, target, 1)
            assert after == before[:1]
            await self.reach(actuator, target, 0)
            await eventually(self.left, lambda left: left == [])

    async def test_repeating_a_count_changes_nothing(self) -> None:
        """The second apply starts and stops nothing."""
        target = self.workload()
        async with self.opened() as actuator:
            before = await self.reach(actuator, target, 2)
            applied = await actuator.apply(target, 2)
            assert (applied.started, applied.stopped, applied.failed) == ((), (), ())
            assert await self.settled(actuator, target, 2) == before

    async def test_workloads_are_told_apart(self) -> None:
        """Two workloads at the same time keep their own counts."""
        one, two = self.workload(name="one"), self.workload(name="two")
        async with self.opened() as actuator:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(actuator.apply(one, 1))
                tasks.create_task(actuator.apply(two, 2))
            await self.settled(actuator, one, 1)
            await self.settled(actuator, two, 2)
            await actuator.apply(one, 0)
            await self.settled(actuator, one, 0)
            await self.settled(actuator, two, 2)

    async def test_a_target_that_runs_elsewhere_is_rejected(self) -> None:
        """What another kind of actuator scales is not this one's."""
        async with self.opened() as actuator:
            with pytest.raises(ReplicaRejected):
                await actuator.apply(workload(ForeignTarget("Deployment", "web")), 1)

    # Restarts of this service

    async def test_replicas_are_adopted_after_a_restart(self) -> None:
        """A second run of the same owner finds the same replicas and starts none twice."""
        target = self.workload()
        async with self.opened() as actuator:
            before = await self.reach(actuator, target, 3)
        assert len(await self.running("contract")) == 3
        async with self.opened() as actuator:
            applied = await actuator.apply(target, 3)
            assert (applied.started, applied.stopped) == ((), ())
            assert [replica.id for replica in await self.settled(actuator, target, 3)] == [
                replica.id for replica in before
            ]
            await self.reach(actuator, target, 0)

    async def test_closing_leaves_replicas_but_no_task_thread_or_socket(self) -> None:
        """Everything that belongs to the actuator ends with it."""
        target = self.workload()
        async with self.opened() as actuator:  # what libraries keep for good is not counted
            await self.reach(actuator, target, 1)
        before = await _held()
        async with self.opened() as actuator:
            await self.reach(actuator, target, 2)
            await actuator.apply(target, 1)
        await eventually(_held, lambda held: held == before)
        async with self.opened() as actuator:
            await actuator.remove("worker")

    # What happens from outside

    async def test_a_replica_removed_by_hand_is_noticed_and_replaced(self) -> None:
        """It is yielded as a change, no longer observed, and the next apply replaces it."""
        target = self.workload()
        async with self.opened() as actuator:
            first, second = await self.reach(actuator, target, 2)
            await self.drain(actuator)
            async with changes_of(actuator) as changes:
                await self.remove_by_hand(first)
                assert await asyncio.wait_for(anext(changes), PATIENCE_S) == "worker"
            await eventually(lambda: actuator.observe(target), lambda seen: [each.id for each in seen] == [second.id])
            replicas = await self.reach(actuator, target, 2)
            assert second in replicas
            await actuator.remove("worker")

    # Stopping

    async def test_a_replica_that_ignores_the_signal_is_ended_after_its_grace_period(self) -> None:
        """It is stopping until then, does not count, and is gone after."""
        target = self.workload("stubborn", grace_s=2)
        async with self.opened() as actuator:
            await self.stubborn(actuator, target)
            began = asyncio.get_running_loop().time()
            applied = await actuator.apply(target, 0)
            assert len(applied.stopped) == 1
            seen = states(await actuator.observe(target))
            assert seen == [ReplicaState.STOPPING] or asyncio.get_running_loop().time() - began >= 1.9
            assert (await actuator.apply(target, 0)).stopped == ()
            await eventually(lambda: self.running("contract"), lambda names: names == [])
            assert asyncio.get_running_loop().time() - began >= 1.9
            await eventually(self.left, lambda left: left == [])

    # Interruptions

    @pytest.mark.parametrize("delay_s", [0.0, 0.001, 0.005, 0.02, 0.1, 0.3])
    async def test_a_cancelled_apply_loses_nothing_and_starts_nothing_twice(self, delay_s: float) -> None:
        """Wherever it is cut off, the next call ends with the wanted count, also in a new run of the service."""
        target = self.workload()
        async with self.opened() as actuator:
            await _cut_off(actuator.apply(target, 3), delay_s)
            await self.reach(actuator, target, 3)
            await _cut_off(actuator.apply(target, 1), delay_s)
            await self.reach(actuator, target, 1)
            await _cut_off(actuator.apply(target, 3), delay_s)
        async with self.opened() as actuator:
            await self.reach(actuator, target, 3)
            await self.reach(actuator, target, 0)
            await actuator.remove("worker")
        await eventually(self.left, lambda left: left == [])

    # Steps

    async def stubborn(self, actuator: Actuator, target: Workload) -> None:
        """Start one replica that ignores SIGTERM by now."""
        (replica,) = await self.reach(actuator, target, 1)
        await eventually(lambda: self.ignores_sigterm(replica), bool)

    async def drain(self, actuator: Actuator) -> None:
        """Take the changes that earlier steps caused, until none comes for a while."""
        async with changes_of(actuator) as changes:
            try:
                while True:
                    await asyncio.wait_for(anext(changes), 1.0)
            except TimeoutError:
                return


class BreakableScalingContract(ScalingContract):
    """What holds when the engine itself can be away."""

    @abstractmethod
    async def break_engine(self) -> None:
        """Make the engine answer no more."""

    @abstractmethod
    async def restore_engine(self) -> None:
        """Bring the engine back, with the replicas it had; they may have been ended."""

    async def test_an_outage_is_an_error_that_passes(self) -> None:
        """Observing and applying raise; afterwards the same replicas are back, and the change is yielded."""
        target = self.workload()
        async with self.opened() as actuator:
            before = await self.reach(actuator, target, 2)
            await self.drain(actuator)
            await self.break_engine()
            for call in (lambda: actuator.observe(target), lambda: actuator.apply(target, 3)):
                await eventually(lambda call=call: engine_lacks(call), bool)  # type: ignore[misc]
            await self.restore_engine()
            after = await eventually(
                lambda: _unless_down(actuator.observe(target)), lambda seen: states(seen) == [ReplicaState.READY] * 2
            )
            assert {replica.id for replica in after} == {replica.id for replica in before}
            await self.reach(actuator, target, 3)
            await actuator.remove("worker")

    async def test_opening_succeeds_while_the_engine_is_down(self) -> None:
        """It carries on when the engine comes up."""
        target = self.workload()
        await self.break_engine()
        async with self.opened() as actuator:
            with pytest.raises(EngineUnavailable):
                await actuator.observe(target)
            await self.restore_engine()
            await eventually(
                lambda: _unless_down(actuator.observe(target)), lambda seen: ReplicaState.CRASHED not in states(seen)
            )
            await self.reach(actuator, target, 1)
            await actuator.remove("worker")


async def _held() -> tuple[set[asyncio.Task[Any]], set[threading.Thread], int]:
    """Return tasks, threads and the number of open files; what only waits to be collected is not held."""
    gc.collect()
    return asyncio.all_tasks(), set(threading.enumerate()), _open_files()


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def _cut_off(call: Awaitable[object], delay_s: float) -> None:
    task = asyncio.ensure_future(call)
    await asyncio.wait([task], timeout=delay_s)
    task.cancel()
    await asyncio.wait([task])


async def _accepted(call: Awaitable[object]) -> bool:
    try:
        await call
    except TargetUnavailable:
        return False  # somebody else's step is not over
    return True


async def _unless_down(observed: Awaitable[tuple[Replica, ...]]) -> tuple[Replica, ...]:
    try:
        return await observed
    except EngineUnavailable:
        return (Replica("", "", "", "", ReplicaState.CRASHED),)

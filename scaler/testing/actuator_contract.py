"""The suite that every actuator must pass. Subclass it in a test module; fill in the back door to the real engine."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from scaler.actuators.crashes import CrashBackoff
from scaler.model import (
    App,
    ForeignTarget,
    Probe,
    ProbeKind,
    Replica,
    ReplicaState,
    ScalingPolicy,
    TcpSocket,
    Workload,
)
from scaler.ports.actuator import Actuator
from scaler.ports.errors import EngineUnavailable, ReplicaRejected

T = TypeVar("T")

# Long enough for a slow machine; nothing waits this long unless it fails.
PATIENCE_S = 20.0


async def eventually(look: Callable[[], Awaitable[T]], expected: Callable[[T], bool]) -> T:
    """Look until what is seen is as expected, and return it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while not expected(seen := await look()):
        assert loop.time() < deadline, f"not as expected within {PATIENCE_S:g} s; last seen: {seen}"
        await asyncio.sleep(0.02)
    return seen


def states(replicas: Sequence[Replica]) -> list[ReplicaState]:
    """Return the replicas' states, oldest first."""
    return [replica.state for replica in replicas]


def workload(target: App | ForeignTarget, name: str = "worker") -> Workload:
    """Return a workload without triggers."""
    return Workload(name=name, target=target, triggers=(), policy=ScalingPolicy())


class ActuatorContract(ABC):
    """What `Actuator` promises, shown on a real engine.

    The back door must not use the actuator. All actuators that `make` returns in one test share one engine.
    """

    @abstractmethod
    def make(self, owner: str, **settings: Any) -> Actuator:
        """Return a new actuator for an owner, on this test's engine; `settings` are keyword arguments of its class."""

    @abstractmethod
    def app(self, behaviour: str = "serve") -> App:
        """Return an app that runs until SIGTERM ("serve"), that ignores SIGTERM ("stubborn"), that ends at once
        with an error ("crash"), or that runs and uses all of the cpu that it gets ("busy").
        """  # noqa: D205 - one sentence

    @abstractmethod
    def unstartable(self) -> App:
        """Return an app of which no replica can be started."""

    @abstractmethod
    async def running(self, owner: str) -> list[str]:
        """Return the names of an owner's replicas that really run."""

    @abstractmethod
    async def existing(self, owner: str) -> list[str]:
        """Return all that really exists for an owner: replicas, ended ones included, and what was made for them."""

    @abstractmethod
    async def kill(self, replica: Replica) -> None:
        """End a replica's process from outside."""

    @abstractmethod
    async def remove_by_hand(self, replica: Replica) -> None:
        """Remove a replica from outside, so that nothing of it is left."""

    @abstractmethod
    async def start_foreign(self) -> Callable[[], bool]:
        """Start something like a replica that has no owner; return how to ask whether it still runs."""

    @abstractmethod
    async def ignores_sigterm(self, replica: Replica) -> bool:
        """Return whether a replica of the stubborn app has come as far as ignoring the signal."""

    # Helpers

    @asynccontextmanager
    async def opened(self, owner: str = "contract", **settings: Any) -> AsyncIterator[Actuator]:
        """Open an actuator for the length of a block."""
        async with self.make(owner, **settings) as actuator:
            yield actuator

    async def reach(self, actuator: Actuator, target: Workload, count: int) -> tuple[Replica, ...]:
        """Apply a count and wait until all are ready, nothing else is left, and the engine agrees."""
        await actuator.apply(target, count)
        replicas = await self.settled(actuator, target, count)
        assert sorted(replica.name for replica in replicas) == sorted(await self.running("contract"))
        return replicas

    async def settled(self, actuator: Actuator, target: Workload, count: int) -> tuple[Replica, ...]:
        """Wait until exactly `count` replicas are ready and none else is left."""
        return await eventually(
            lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.READY] * count
        )

    # What replicas use

    async def test_what_runs_is_counted_and_nothing_else(self) -> None:
        """Each replica of the workload that runs has a count of its own; none is left once it stopped."""
        one, other = workload(self.app()), workload(self.app(), "other")
        async with self.opened() as actuator:
            assert await actuator.usage(one) == ()
            await actuator.apply(other, 1)
            await actuator.apply(one, 2)
            replicas = await self.settled(actuator, one, 2)
            counts = await eventually(lambda: actuator.usage(one), lambda seen: len(seen) == 2)
            assert {count.id for count in counts} == {replica.id for replica in replicas}
            assert all(count.memory_bytes > 0 and count.cpu_s >= 0 for count in counts)
            await actuator.apply(one, 0)
            await self.settled(actuator, one, 0)
            assert await actuator.usage(one) == ()
            await actuator.remove("other")

    async def test_use_of_the_cpu_adds_up_over_a_run_and_begins_anew_with_the_next(self) -> None:
        """One busy thread uses a second of cpu a second at most; a restart in place begins at nothing."""
        target = workload(self.app("busy"))
        async with self.opened(backoff=CrashBackoff(first_s=0.01)) as actuator:
            (replica,) = await self.reach(actuator, target, 1)
            (first,) = await eventually(lambda: actuator.usage(target), lambda seen: len(seen) == 1)
            (later,) = await eventually(
                lambda: actuator.usage(target), lambda seen: bool(seen) and seen[0].cpu_s >= first.cpu_s + 2
            )
            # It has one thread, and a count is not taken at an instant.
            assert later.cpu_s - first.cpu_s <= later.at_s - first.at_s + 0.5
            await self.kill(replica)
            await eventually(lambda: actuator.usage(target), lambda seen: bool(seen) and seen[0].cpu_s < later.cpu_s)
            await actuator.remove("worker")

    # Counts

    async def test_nothing_exists_at_first(self) -> None:
        """A workload that was never applied has no replicas."""
        async with self.opened() as actuator:
            assert await actuator.observe(workload(self.app())) == ()
            assert await actuator.owned() == {}

    async def test_scales_up_down_and_to_zero(self) -> None:
        """Counts are reached in both directions, the youngest go first, and zero leaves nothing behind."""
        target = workload(self.app())
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
            assert await self.existing("contract") == []

    async def test_repeating_a_count_changes_nothing(self) -> None:
        """The second apply starts and stops nothing."""
        target = workload(self.app())
        async with self.opened() as actuator:
            before = await self.reach(actuator, target, 2)
            applied = await actuator.apply(target, 2)
            assert (applied.started, applied.stopped, applied.failed) == ((), (), ())
            assert await self.settled(actuator, target, 2) == before

    async def test_workloads_are_told_apart(self) -> None:
        """Two workloads at the same time keep their own counts."""
        one, two = workload(self.app(), "one"), workload(self.app(), "two")
        async with self.opened() as actuator:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(actuator.apply(one, 1))
                tasks.create_task(actuator.apply(two, 2))
            await self.settled(actuator, one, 1)
            await self.settled(actuator, two, 2)
            owned = await actuator.owned()
            assert {name: len(replicas) for name, replicas in owned.items()} == {"one": 1, "two": 2}

    async def test_what_cannot_start_is_rejected_and_leaves_nothing(self) -> None:
        """An app that is wrong as written is a permanent error."""
        async with self.opened() as actuator:
            with pytest.raises(ReplicaRejected):
                await actuator.apply(workload(self.unstartable()), 2)
            await eventually(lambda: self.existing("contract"), lambda left: left == [])

    async def test_a_target_that_runs_elsewhere_is_rejected(self) -> None:
        """Foreign targets need another kind of actuator."""
        async with self.opened() as actuator:
            with pytest.raises(ReplicaRejected):
                await actuator.apply(workload(ForeignTarget("Deployment", "web")), 1)

    # Ownership

    async def test_replicas_are_adopted_after_a_restart(self) -> None:
        """A second run of the same owner finds the same replicas and starts none twice."""
        target = workload(self.app())
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

    async def test_a_stop_is_finished_after_a_restart(self) -> None:
        """A replica told to stop is known as stopping by the next run, which ends it."""
        stubborn = replace(self.app("stubborn"), termination_grace_period_s=3.0)
        target = workload(stubborn)
        async with self.opened() as actuator:
            await self._stubborn(actuator, target)
            await actuator.apply(target, 0)
        async with self.opened() as actuator:
            assert states(await actuator.observe(target)) == [ReplicaState.STOPPING]
            await eventually(lambda: self.existing("contract"), lambda left: left == [])

    async def test_what_is_not_owned_is_left_alone(self) -> None:
        """Neither foreign things nor another owner's replicas are seen or touched."""
        target = workload(self.app())
        foreign = await self.start_foreign()
        async with self.opened("other") as other, self.opened() as actuator:
            await other.apply(target, 2)
            assert await actuator.observe(target) == ()
            assert await actuator.owned() == {}
            await self.reach(actuator, target, 1)
            await actuator.remove("worker")
            assert len(await self.settled(other, target, 2)) == 2
            assert foreign()
            await other.remove("worker")
        assert foreign()

    async def test_removing_a_workload_leaves_nothing(self) -> None:
        """`remove` returns when all is gone; it works for workloads of no manifest, which `owned` lists."""
        target = workload(self.app())
        async with self.opened() as actuator:
            await self.reach(actuator, target, 2)
        async with self.opened() as actuator:
            assert {name: len(replicas) for name, replicas in (await actuator.owned()).items()} == {"worker": 2}
            await actuator.remove("worker")
            assert await self.existing("contract") == []
            assert await actuator.owned() == {}
            await actuator.remove("worker")

    async def test_closing_leaves_replicas_but_no_task_thread_or_socket(self) -> None:
        """Everything that belongs to the actuator ends with it."""
        target = workload(self.app())
        async with self.opened() as actuator:  # what libraries keep for good is not counted
            await self.reach(actuator, target, 1)
        before = (asyncio.all_tasks(), set(threading.enumerate()), _open_files())
        async with self.opened() as actuator:
            await self.reach(actuator, target, 2)
            await actuator.apply(target, 1)
        assert (asyncio.all_tasks(), set(threading.enumerate()), _open_files()) == before
        async with self.opened() as actuator:
            await actuator.remove("worker")

    # What happens from outside

    async def test_a_replica_removed_by_hand_is_noticed_and_replaced(self) -> None:
        """It is yielded as a change, no longer observed, and the next apply replaces it."""
        target = workload(self.app())
        async with self.opened() as actuator:
            first, second = await self.reach(actuator, target, 2)
            await self._drain(actuator)
            async with _changes(actuator) as changes:
                await self.remove_by_hand(first)
                assert await asyncio.wait_for(anext(changes), PATIENCE_S) == "worker"
            await eventually(lambda: actuator.observe(target), lambda seen: [each.id for each in seen] == [second.id])
            replicas = await self.reach(actuator, target, 2)
            assert second in replicas
            await actuator.remove("worker")

    async def test_a_replica_that_ends_is_restarted_in_place(self) -> None:
        """The first end is mended at once: the same replica runs again, one restart later."""
        target = workload(self.app())
        async with self.opened() as actuator:
            (before,) = await self.reach(actuator, target, 1)
            await self.kill(before)
            (after,) = await eventually(
                lambda: actuator.observe(target),
                lambda seen: bool(seen) and seen[0].restarts == 1 and seen[0].state is ReplicaState.READY,
            )
            assert (after.id, after.name) == (before.id, before.name)
            assert await self.running("contract") == [before.name]
            await actuator.remove("worker")

    async def test_a_replica_that_keeps_ending_waits_for_its_back_off(self) -> None:
        """After the second end in a row it is not restarted before the back-off, and never counts as ready."""
        target = workload(self.app("crash"))
        async with self.opened(backoff=CrashBackoff(first_s=3600.0)) as actuator:
            await actuator.apply(target, 1)
            (replica,) = await eventually(
                lambda: actuator.observe(target),
                lambda seen: bool(seen) and seen[0].restarts == 1 and seen[0].state is ReplicaState.CRASHED,
            )
            assert replica.detail
            applied = await actuator.apply(target, 1)
            assert (applied.started, applied.stopped) == ((), ())
            await actuator.remove("worker")
            assert await self.existing("contract") == []

    # Stopping

    async def test_a_replica_that_ignores_the_signal_is_ended_after_its_grace_period(self) -> None:
        """It is stopping until then, does not count, and is gone after."""
        target = workload(replace(self.app("stubborn"), termination_grace_period_s=1.5))
        async with self.opened() as actuator:
            await self._stubborn(actuator, target)
            began = asyncio.get_running_loop().time()
            applied = await actuator.apply(target, 0)
            assert len(applied.stopped) == 1
            assert states(await actuator.observe(target)) == [ReplicaState.STOPPING]
            assert (await actuator.apply(target, 0)).stopped == ()
            await eventually(lambda: self.running("contract"), lambda names: names == [])
            assert asyncio.get_running_loop().time() - began >= 1.4
            await eventually(lambda: self.existing("contract"), lambda left: left == [])

    async def test_no_grace_means_an_end_at_once(self) -> None:
        """A grace period of 0 sends SIGKILL."""
        target = workload(replace(self.app("stubborn"), termination_grace_period_s=0.0))
        async with self.opened() as actuator:
            await self._stubborn(actuator, target)
            await actuator.apply(target, 0)
            await eventually(lambda: self.existing("contract"), lambda left: left == [])

    # Probes and revisions

    async def test_a_readiness_probe_decides_who_is_ready(self) -> None:
        """A replica is starting or not ready while its probe fails, and ready when it passes."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            target = workload(_probed(self.app(), ProbeKind.READINESS, listener.getsockname()[1]))
            async with self.opened() as actuator:
                await actuator.apply(target, 1)
                (replica,) = await eventually(
                    lambda: actuator.observe(target), lambda seen: states(seen) == [ReplicaState.NOT_READY]
                )
                assert "readiness" in replica.detail
                await self._drain(actuator)
                async with _changes(actuator) as changes:
                    listener.listen()
                    assert await asyncio.wait_for(anext(changes), PATIENCE_S) == "worker"
                await self.settled(actuator, target, 1)
                await actuator.remove("worker")

    async def test_a_startup_probe_gates_and_its_failure_restarts_in_place(self) -> None:
        """Starting until it passes; restarted when it has failed too often."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            target = workload(_probed(self.app(), ProbeKind.STARTUP, listener.getsockname()[1]))
            async with self.opened() as actuator:
                await actuator.apply(target, 1)
                assert states(await actuator.observe(target)) == [ReplicaState.STARTING]
                await eventually(lambda: actuator.observe(target), lambda seen: seen[0].restarts == 1)
                listener.listen()
                await self.settled(actuator, target, 1)
                await actuator.remove("worker")

    async def test_a_failing_liveness_probe_restarts_in_place(self) -> None:
        """The same replica is started again."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            target = workload(_probed(self.app(), ProbeKind.LIVENESS, listener.getsockname()[1]))
            async with self.opened() as actuator:
                await actuator.apply(target, 1)
                (before,) = await actuator.observe(target)
                (after,) = await eventually(lambda: actuator.observe(target), lambda seen: seen[0].restarts == 1)
                assert after.id == before.id
                await actuator.remove("worker")

    async def test_a_new_revision_replaces_the_old_one_when_it_is_ready(self) -> None:
        """Old replicas stay until as many new ones are ready."""
        old = workload(replace(self.app(), revision_suffix="v1"))
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            probed = _probed(self.app(), ProbeKind.READINESS, listener.getsockname()[1])
            new = workload(replace(probed, revision_suffix="v2"))
            async with self.opened() as actuator:
                before = await self.reach(actuator, old, 2)
                applied = await actuator.apply(new, 2)
                assert (len(applied.started), applied.stopped) == (2, ())
                assert (await actuator.apply(new, 2)).stopped == ()
                listener.listen()
                await eventually(lambda: actuator.observe(new), lambda seen: states(seen) == [ReplicaState.READY] * 4)
                applied = await actuator.apply(new, 2)
                assert set(applied.stopped) == {replica.name for replica in before}
                after = await self.settled(actuator, new, 2)
                assert {replica.revision for replica in after} == {"v2"}
                await actuator.remove("worker")

    async def test_at_zero_old_revisions_stop_at_once(self) -> None:
        """No replacement is waited for when none is wanted."""
        async with self.opened() as actuator:
            await self.reach(actuator, workload(replace(self.app(), revision_suffix="v1")), 2)
            await self.reach(actuator, workload(replace(self.app(), revision_suffix="v2")), 0)
            assert await self.existing("contract") == []

    # Interruptions

    @pytest.mark.parametrize("delay_s", [0.0, 0.001, 0.005, 0.02, 0.1, 0.3])
    async def test_a_cancelled_apply_loses_nothing_and_starts_nothing_twice(self, delay_s: float) -> None:
        """Wherever it is cut off, the next call ends with the wanted count, also in a new run of the service."""
        target = workload(self.app())
        async with self.opened() as actuator:
            await _cut_off(actuator.apply(target, 3), delay_s)
            await self.reach(actuator, target, 3)
            await _cut_off(actuator.apply(target, 1), delay_s)
            await self.reach(actuator, target, 1)
            await _cut_off(actuator.apply(target, 3), delay_s)
        async with self.opened() as actuator:
            await self.reach(actuator, target, 3)
            await actuator.remove("worker")
        assert await self.existing("contract") == []

    async def _stubborn(self, actuator: Actuator, target: Workload) -> None:
        (replica,) = await self.reach(actuator, target, 1)
        await eventually(lambda: self.ignores_sigterm(replica), bool)

    async def _drain(self, actuator: Actuator) -> None:
        """Take the changes that earlier steps caused, until none comes for a while."""
        async with _changes(actuator) as changes:
            try:
                while True:
                    await asyncio.wait_for(anext(changes), 1.0)
            except TimeoutError:
                return


class BreakableActuatorContract(ActuatorContract):
    """What holds when the engine itself can be away."""

    @abstractmethod
    async def break_engine(self) -> None:
        """Make the engine answer no more."""

    @abstractmethod
    async def restore_engine(self) -> None:
        """Bring the engine back, with the replicas it had; they may have been ended."""

    async def test_an_outage_is_an_error_that_passes(self) -> None:
        """Observing and applying raise; afterwards the same replicas are back, and the change is yielded."""
        target = workload(self.app())
        async with self.opened() as actuator:
            before = await self.reach(actuator, target, 2)
            await self._drain(actuator)
            await self.break_engine()
            for call in (
                lambda: actuator.observe(target),
                lambda: actuator.usage(target),
                lambda: actuator.apply(target, 3),
                actuator.owned,
            ):
                await eventually(lambda call=call: _fails(call), bool)  # type: ignore[misc]
            await self.restore_engine()
            after = await eventually(
                lambda: _unless_down(actuator.observe(target)), lambda seen: states(seen) == [ReplicaState.READY] * 2
            )
            assert {replica.id for replica in after} == {replica.id for replica in before}
            await self.reach(actuator, target, 3)
            await actuator.remove("worker")

    async def test_opening_succeeds_while_the_engine_is_down(self) -> None:
        """It carries on when the engine comes up."""
        target = workload(self.app())
        await self.break_engine()
        async with self.opened() as actuator:
            with pytest.raises(EngineUnavailable):
                await actuator.observe(target)
            await self.restore_engine()
            await eventually(lambda: _unless_down(actuator.observe(target)), lambda seen: seen == ())
            await self.reach(actuator, target, 1)
            await actuator.remove("worker")


def _probed(app: App, kind: ProbeKind, port: int) -> App:
    probe = Probe(kind, TcpSocket(port, host="127.0.0.1"), period_s=0.2, failure_threshold=2)
    return replace(app, containers=(replace(app.containers[0], probes=(probe,)),))


def sigterm_ignored(pid: int) -> bool:
    """Return whether a process ignores SIGTERM; see SigIgn in proc(5)."""
    status = Path(f"/proc/{pid}/status").read_text()
    ignored = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(ignored, 16) >> (signal.SIGTERM - 1) & 1)


def _changes(actuator: Actuator) -> aclosing[AsyncGenerator[str, None]]:
    return aclosing(cast("AsyncGenerator[str, None]", actuator.changes()))


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def _cut_off(call: Awaitable[object], delay_s: float) -> None:
    task = asyncio.ensure_future(call)
    await asyncio.wait([task], timeout=delay_s)
    task.cancel()
    await asyncio.wait([task])


async def _fails(call: Callable[[], Awaitable[object]]) -> bool:
    try:
        await call()
    except EngineUnavailable:
        return True
    return False


async def _unless_down(observed: Awaitable[tuple[Replica, ...]]) -> tuple[Replica, ...]:
    try:
        return await observed
    except EngineUnavailable:
        return (Replica("", "", "", "", ReplicaState.CRASHED),)

"""The suite of actuators that own their replicas. Subclass it in a test module; fill in the back door to the engine."""

from __future__ import annotations

import asyncio
import socket
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace

import pytest

from scaler.actuators.crashes import CrashBackoff
from scaler.model import App, Probe, ProbeKind, Replica, ReplicaState, TcpSocket, Workload
from scaler.ports.errors import ReplicaRejected
from scaler.testing.observing import PATIENCE_S, changes_of, engine_lacks, eventually, states, workload
from scaler.testing.scaling_contract import BreakableScalingContract
from scaler.testing.serving_contract import ServingContract


class ActuatorContract(ServingContract):
    """What `Actuator` promises of apps, with ingress and without, besides what it promises of any target."""

    def workload(self, behaviour: str = "serve", name: str = "worker", *, grace_s: float = 2.0) -> Workload:
        """See `ScalingContract.workload`."""
        return workload(replace(self.app(behaviour), termination_grace_period_s=grace_s), name)

    async def left(self) -> list[str]:
        """See `ScalingContract.left`."""
        return await self.existing("contract")

    @abstractmethod
    def app(self, behaviour: str = "serve") -> App:
        """Return an app that runs until SIGTERM ("serve"), that ignores SIGTERM ("stubborn"), that ends at once
        with an error ("crash"), or that runs and uses all of the cpu that it gets ("busy").
        """  # noqa: D205 - one sentence

    @abstractmethod
    def unstartable(self) -> App:
        """Return an app of which no replica can be started."""

    @abstractmethod
    async def existing(self, owner: str) -> list[str]:
        """Return all that really exists for an owner: replicas, ended ones included, and what was made for them."""

    @abstractmethod
    async def start_foreign(self) -> Callable[[], bool]:
        """Start something like a replica that has no owner; return how to ask whether it still runs."""

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
            loop = asyncio.get_running_loop()
            began = loop.time()
            (first,) = await eventually(lambda: actuator.usage(target), lambda seen: len(seen) == 1)
            (later,) = await eventually(
                lambda: actuator.usage(target), lambda seen: bool(seen) and seen[0].cpu_s >= first.cpu_s + 2
            )
            # It has one thread; a count is not taken at an instant, and may be shown for a while.
            assert later.cpu_s - first.cpu_s <= loop.time() - began + 1.0
            assert later.at_s > first.at_s
            killed_at = loop.time()
            await self.kill(replica)
            # Had it gone on, it would have used more than anything can have since.
            await eventually(
                lambda: actuator.usage(target),
                lambda seen: bool(seen) and seen[0].cpu_s < max(later.cpu_s, loop.time() - killed_at),
            )
            await actuator.remove("worker")

    # Counts

    async def test_nothing_exists_at_first(self) -> None:
        """A workload that was never applied has no replicas."""
        async with self.opened() as actuator:
            assert await actuator.observe(workload(self.app())) == ()
            assert await actuator.owned() == {}

    async def test_what_cannot_start_is_rejected_and_leaves_nothing(self) -> None:
        """An app that is wrong as written is a permanent error."""
        async with self.opened() as actuator:
            with pytest.raises(ReplicaRejected):
                await actuator.apply(workload(self.unstartable()), 2)
            await eventually(lambda: self.existing("contract"), lambda left: left == [])

    # Ownership

    async def test_a_stop_is_finished_after_a_restart(self) -> None:
        """A replica told to stop is known as stopping by the next run, which ends it."""
        stubborn = replace(self.app("stubborn"), termination_grace_period_s=3.0)
        target = workload(stubborn)
        async with self.opened() as actuator:
            await self.stubborn(actuator, target)
            told_at = asyncio.get_running_loop().time()
            await actuator.apply(target, 0)
        async with self.opened() as actuator:
            seen = states(await actuator.observe(target))
            assert seen == [ReplicaState.STOPPING] or asyncio.get_running_loop().time() - told_at >= 3.0
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

    async def test_what_is_owned_is_told_apart_by_workload(self) -> None:
        """`owned` lists each workload's replicas."""
        async with self.opened() as actuator:
            await actuator.apply(self.workload(name="one"), 1)
            await actuator.apply(self.workload(name="two"), 2)
            owned = await actuator.owned()
            assert {name: len(replicas) for name, replicas in owned.items()} == {"one": 1, "two": 2}
            for name in owned:
                await actuator.remove(name)

    # What happens from outside

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
            # How it ended may be known a moment after that it did.
            await eventually(
                lambda: actuator.observe(target),
                lambda seen: states(seen) == [ReplicaState.CRASHED] and seen[0].restarts == 1 and bool(seen[0].detail),
            )
            applied = await actuator.apply(target, 1)
            assert (applied.started, applied.stopped) == ((), ())
            await actuator.remove("worker")
            assert await self.existing("contract") == []

    # Stopping

    async def test_no_grace_means_an_end_at_once(self) -> None:
        """A grace period of 0 sends SIGKILL."""
        target = workload(replace(self.app("stubborn"), termination_grace_period_s=0.0))
        async with self.opened() as actuator:
            await self.stubborn(actuator, target)
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
                await self.drain(actuator)
                async with changes_of(actuator) as changes:
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
                seen: list[Replica] = []

                async def look() -> Replica:
                    seen.extend(await actuator.observe(target))
                    return seen[-1]

                await eventually(look, lambda replica: replica.restarts >= 1)
                await eventually(look, lambda replica: replica.state is ReplicaState.STARTING)
                assert {replica.state for replica in seen} <= {ReplicaState.STARTING, ReplicaState.CRASHED}
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
                (after,) = await eventually(lambda: actuator.observe(target), lambda seen: seen[0].restarts >= 1)
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
            # An engine may list what it is still removing.
            await eventually(lambda: self.existing("contract"), lambda left: left == [])

    # Interruptions


class BreakableActuatorContract(BreakableScalingContract, ActuatorContract):
    """What holds when the engine itself can be away."""

    async def test_what_is_owned_is_not_known_during_an_outage(self) -> None:
        """It raises, and is known again afterwards."""
        async with self.opened() as actuator:
            await self.reach(actuator, self.workload(), 1)
            await self.break_engine()
            await eventually(lambda: engine_lacks(actuator.owned), bool)
            await eventually(lambda: engine_lacks(lambda: actuator.usage(self.workload())), bool)
            await self.restore_engine()
            await self.settled(actuator, self.workload(), 1)
            assert {name: len(replicas) for name, replicas in (await actuator.owned()).items()} == {"worker": 1}
            await actuator.remove("worker")


def _probed(app: App, kind: ProbeKind, port: int) -> App:
    probe = Probe(kind, TcpSocket(port, host="127.0.0.1"), period_s=0.2, failure_threshold=2)
    return replace(app, containers=(replace(app.containers[0], probes=(probe,)),))

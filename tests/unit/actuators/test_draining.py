"""Replicas of apps with ingress drain before they are told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from scaler.actuators.crashes import CrashBackoff
from scaler.model import App, Container, Ingress, Replica, ReplicaState, Workload
from scaler.testing import virtual_time
from scaler.testing.actuators import FakeActuator, FakeEngine
from scaler.testing.load_balancer import FakeLoadBalancer
from scaler.testing.observing import eventually, states, workload

READY, DRAINING, STOPPING = ReplicaState.READY, ReplicaState.DRAINING, ReplicaState.STOPPING
GRACE_S = 12.0
APP = App((Container("web", "image"),), termination_grace_period_s=GRACE_S, ingress=Ingress(8080), revision_suffix="v1")


class World:
    """One actuator on an engine in memory, with a load balancer."""

    def __init__(self, **settings: Any) -> None:
        self.engine = FakeEngine()
        self.balancer = FakeLoadBalancer()
        self.actuator = FakeActuator("us", self.engine, balancer=self.balancer, **settings)
        self.web = workload(APP, "web")

    async def reach(self, count: int, target: Workload | None = None) -> tuple[Replica, ...]:
        """Apply a count; return the replicas when all are ready and no other is left."""
        target = target or self.web
        await self.actuator.apply(target, count)
        return await eventually(
            lambda: self.actuator.observe(target), lambda seen: states(seen) == [READY] * count
        )  # fmt: skip

    async def states(self) -> list[ReplicaState]:
        return states(await self.actuator.observe(self.web))

    async def until(self, condition: Callable[[], bool]) -> None:
        async def look() -> bool:
            return condition()

        await eventually(look, bool)

    def told(self) -> list[ReplicaState]:
        return states(self.balancer.served["web"])


def run(test: Callable[[World], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        world = World(**settings)
        async with world.actuator:
            await test(world)

    virtual_time.run(main())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_replica_with_requests_stops_when_it_has_none() -> None:
    async def test(world: World) -> None:
        (replica,) = await world.reach(1)
        world.balancer.give(replica.id, 1)
        began = now()
        assert (await world.actuator.apply(world.web, 0)).stopped == (replica.name,)
        assert now() == began, "it does not wait for the drain"
        assert world.told() == await world.states() == [DRAINING]
        assert (await world.actuator.apply(world.web, 0)).stopped == (), "it was told already"
        await asyncio.sleep(10)
        assert world.engine.running() == [replica.name]
        world.balancer.give(replica.id, 0)
        await world.until(lambda: world.engine.existing() == [])
        await world.until(lambda: world.balancer.served["web"] == ())
        assert now() - began < 11

    run(test)


def test_a_drain_takes_no_longer_than_the_grace_period() -> None:
    async def test(world: World) -> None:
        (replica,) = await world.reach(1)
        world.balancer.give(replica.id, 1)
        began = now()
        await world.actuator.apply(world.web, 0)
        await asyncio.sleep(GRACE_S - 0.1)
        assert world.engine.running() == [replica.name]
        await world.until(lambda: world.engine.existing() == [])
        assert GRACE_S <= now() - began < GRACE_S + 1

    run(test)


def test_without_a_grace_period_nothing_is_waited_for() -> None:
    async def test(world: World) -> None:
        target = workload(replace(APP, termination_grace_period_s=0.0), "web")
        (replica,) = await world.reach(1, target)
        world.balancer.give(replica.id, 1)
        began = now()
        await world.actuator.apply(target, 0)
        await world.until(lambda: world.engine.existing() == [])
        assert now() - began < 1

    run(test)


def test_the_grace_period_of_the_stop_begins_after_the_drain() -> None:
    async def test(world: World) -> None:
        stubborn = replace(APP, containers=(Container("web", "image", command=("stubborn",)),))
        target = workload(stubborn, "web")
        (replica,) = await world.reach(1, target)
        world.balancer.give(replica.id, 1)
        await world.actuator.apply(target, 0)
        await asyncio.sleep(8)
        began = now()
        world.balancer.give(replica.id, 0)
        await world.until(lambda: states(world.balancer.served["web"]) == [STOPPING])
        await world.until(lambda: world.engine.existing() == [])
        assert now() - began >= GRACE_S - 0.1

    run(test)


def test_the_balancer_may_call_a_replica_back() -> None:
    async def test(world: World) -> None:
        (replica,) = await world.reach(1)
        world.balancer.give(replica.id, 1)
        await world.actuator.apply(world.web, 0)
        await asyncio.sleep(1)
        world.balancer.call_back(replica.id)
        await world.until(lambda: world.told() == [READY])
        await asyncio.sleep(2 * GRACE_S)
        assert await world.states() == [READY]
        world.balancer.give(replica.id, 0)
        await world.reach(0)
        assert world.engine.starts == 1

    run(test)


def test_a_higher_count_calls_back_before_it_creates() -> None:
    async def test(world: World) -> None:
        before = await world.reach(3)
        for replica in before:
            world.balancer.give(replica.id, 1)
        await world.actuator.apply(world.web, 0)
        assert world.told() == [DRAINING] * 3
        applied = await world.actuator.apply(world.web, 2)
        assert (applied.started, applied.stopped) == ((), ())
        assert world.told() == [READY, READY, DRAINING]
        await world.actuator.apply(world.web, 5)
        after = await eventually(lambda: world.actuator.observe(world.web), lambda seen: states(seen) == [READY] * 5)
        assert after[:3] == before
        await asyncio.sleep(2 * GRACE_S)
        assert await world.states() == [READY] * 5
        assert world.balancer.draining == set()
        assert world.engine.starts == 5

    run(test)


def test_what_was_told_to_stop_is_not_called_back() -> None:
    async def test(world: World) -> None:
        (replica,) = await world.reach(1)
        world.engine.answer_delay_s = 1.0
        await world.actuator.apply(world.web, 0)
        await asyncio.sleep(0.5)  # the drain is over, and the engine is being told
        assert world.told() == [STOPPING]
        (started,) = (await world.actuator.apply(world.web, 1)).started
        await world.until(lambda: world.engine.existing() == [started] != [replica.name])

    run(test)


def test_the_least_busy_go_first() -> None:
    async def test(world: World) -> None:
        first, second, third = await world.reach(3)
        world.balancer.requests |= {first.id: 1, second.id: 3, third.id: 2}
        assert (await world.actuator.apply(world.web, 2)).stopped == (first.name,)
        assert (await world.actuator.apply(world.web, 1)).stopped == (third.name,)

    run(test)


def test_a_draining_replica_that_ends_is_not_restarted() -> None:
    async def test(world: World) -> None:
        (replica,) = await world.reach(1)
        world.balancer.give(replica.id, 1)
        await world.actuator.apply(world.web, 0)
        await asyncio.sleep(1)
        began = now()
        world.engine.crash(replica.name)
        assert world.told() == [STOPPING], "at once"
        await world.until(lambda: world.engine.existing() == [])
        assert (world.engine.starts, now() - began < 1) == (1, True)

    run(test)


def test_a_crash_reaches_the_balancer_before_any_listing() -> None:
    async def test(world: World) -> None:
        first, second = await world.reach(2)
        world.engine.answer_delay_s = 5.0
        world.engine.crash(first.name)
        assert world.told() == [ReplicaState.CRASHED, READY]
        assert [each.id for each in world.balancer.ready("web")] == [second.id]
        await asyncio.sleep(2)
        assert world.told() == [ReplicaState.CRASHED, READY]

    run(test, backoff=CrashBackoff(first_s=3600.0))


def test_a_restart_in_place_serves_again() -> None:
    async def test(world: World) -> None:
        (replica,) = await world.reach(1)
        world.engine.crash(replica.name)
        await world.until(lambda: world.told() == [READY])
        assert world.balancer.served["web"][0].restarts == 1
        assert world.engine.starts == 2

    run(test)


def test_a_port_that_stops_accepting_leaves_after_three_checks_and_comes_back() -> None:
    async def test(world: World) -> None:
        (replica,) = await world.reach(1)
        world.engine.by_name(replica.name).accepting = False
        began = now()
        await world.until(lambda: world.told() == [ReplicaState.NOT_READY])
        assert 10 < now() - began <= 20
        world.engine.by_name(replica.name).accepting = True
        back = now()
        await world.until(lambda: world.told() == [READY])
        assert now() - back < 0.2

    run(test)


def test_an_older_revision_drains_too() -> None:
    async def test(world: World) -> None:
        (old,) = await world.reach(1)
        world.balancer.give(old.id, 1)
        target = workload(replace(APP, revision_suffix="v2"), "web")
        await world.actuator.apply(target, 1)
        await world.until(lambda: world.told() == [READY, READY])
        assert (await world.actuator.apply(target, 1)).stopped == (old.name,)
        assert world.told() == [DRAINING, READY]
        world.balancer.give(old.id, 0)
        await world.until(lambda: world.told() == [READY])

    run(test)


def test_removing_drains() -> None:
    async def test(world: World) -> None:
        first, second = await world.reach(2)
        world.balancer.give(first.id, 1)
        removal = asyncio.create_task(world.actuator.remove("web"))
        await asyncio.sleep(5)
        assert world.engine.running() == [first.name]
        assert second.name not in world.engine.existing()
        world.balancer.give(first.id, 0)
        began = now()
        await removal
        assert world.engine.existing() == []
        assert now() - began < 2

    run(test)


def test_an_engine_that_is_away_is_told_when_it_is_back() -> None:
    async def test(world: World) -> None:
        await world.reach(1)
        world.engine.down = True
        await world.actuator.apply(world.web, 0)
        await asyncio.sleep(5)
        assert len(world.engine.running()) == 1
        world.engine.down = False
        await world.until(lambda: world.engine.existing() == [])

    run(test)


def test_a_balancer_that_fails_keeps_no_replica() -> None:
    class Broken(FakeLoadBalancer):
        async def drain(self, workload: str, replica: Replica) -> bool:
            raise RuntimeError(workload, replica.name)

    async def main() -> None:
        world = World()
        async with FakeActuator("us", world.engine, balancer=Broken()) as actuator:
            await actuator.apply(world.web, 1)
            await eventually(lambda: actuator.observe(world.web), lambda seen: states(seen) == [READY])
            await actuator.apply(world.web, 0)
            await world.until(lambda: world.engine.existing() == [])

    virtual_time.run(main())


def test_a_restarted_service_forgets_drains_and_tells_of_replicas_as_they_are() -> None:
    async def main() -> None:
        world = World()
        async with world.actuator:
            (replica,) = await world.reach(1)
            world.balancer.give(replica.id, 1)
            await world.actuator.apply(world.web, 0)
            await asyncio.sleep(1)
        balancer = FakeLoadBalancer()
        async with FakeActuator("us", world.engine, balancer=balancer):
            assert balancer.history == [("web", {replica.name: READY})], "known as soon as it is entered"
            (served,) = balancer.ready("web")
            assert served.endpoint == replica.endpoint

    virtual_time.run(main())


def test_a_replica_that_drains_is_told_to_stop_once() -> None:
    """Also when apply is cancelled and repeated, and the drain ends meanwhile."""

    async def test(world: World) -> None:
        replicas = await world.reach(4)
        for replica in replicas:
            world.balancer.give(replica.id, 1)
        world.engine.answer_delay_s = 0.05
        for count in (0, 3, 1, 2, 0, 4, 1):
            step = asyncio.create_task(world.actuator.apply(world.web, count))
            await asyncio.sleep(0.03)
            step.cancel()
            await asyncio.wait([step])
        await world.actuator.apply(world.web, 1)
        for replica in replicas:
            world.balancer.give(replica.id, 0)
        await eventually(lambda: world.actuator.observe(world.web), lambda seen: states(seen) == [READY])
        assert (world.engine.starts, len(world.engine.existing())) == (4, 1)

    run(test)

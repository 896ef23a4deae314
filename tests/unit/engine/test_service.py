"""The service on fakes: what a workload's loop does over hours, in milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

import pytest
from structlog.testing import capture_logs

from scaler.actuators.routing import RoutingActuator
from scaler.engine.memory import Memory
from scaler.engine.service import Service
from scaler.engine.workload_loop import WorkloadLoop
from scaler.model import (
    App,
    Container,
    Decision,
    ForeignTarget,
    Reading,
    Replica,
    ReplicaState,
    ScalingPolicy,
    Trigger,
    TriggerPolicy,
    Workload,
)
from scaler.ports.actuator import Actuator, Applied, Usage
from scaler.ports.clock import Clock
from scaler.ports.connections import Connections
from scaler.ports.errors import EngineUnavailable, SourceUnavailable
from scaler.ports.recorder import Recorder
from scaler.ports.scaler import PushScaler, ScalerConfig
from scaler.ports.state_store import Remembered
from scaler.testing import virtual_time
from scaler.testing.actuators import FakeActuator, FakeEngine


class QueueConfig(ScalerConfig):
    queue: str

    def target(self) -> float:
        return 5

    def activation(self) -> float:
        return 0


class Queues:
    """The source that tests fill; a value may be an error or something that hangs."""

    def __init__(self) -> None:
        self.lengths: dict[str, float | Reading | Exception | Callable[[], Coroutine[Any, Any, Any]]] = {}
        self.came: dict[str, asyncio.Event] = {}

    def push(self, queue: str, length: float) -> None:
        self.lengths[queue] = length
        self.came.setdefault(queue, asyncio.Event()).set()


def scaler_of(queues: Queues) -> type[PushScaler[QueueConfig]]:
    class QueueScaler(PushScaler[QueueConfig]):
        """Reads queues in memory."""

        type = "queue"
        Config = QueueConfig

        def __init__(self, config: QueueConfig) -> None:
            self._queue = config.queue

        @classmethod
        @asynccontextmanager
        async def open(cls, config: QueueConfig, connections: Connections) -> AsyncIterator[Self]:  # noqa: ARG003
            yield cls(config)

        async def read(self) -> Reading:
            length = queues.lengths.get(self._queue, 0)
            if isinstance(length, Exception):
                raise length
            if isinstance(length, Reading):
                return length
            if callable(length):
                await length()
            return Reading(value=length)  # type: ignore[arg-type]

        async def wakeups(self) -> AsyncIterator[None]:
            came = queues.came.setdefault(self._queue, asyncio.Event())
            while True:
                await came.wait()
                came.clear()
                yield

    return QueueScaler


@dataclass
class DictStore:
    """A state store that a test can fill the disk of."""

    kept: dict[str, Remembered] = field(default_factory=dict)
    full: bool = False
    bugs: int = 0
    slow_s: float = 0
    saves: int = 0

    async def load(self) -> Mapping[str, Remembered]:
        return dict(self.kept)

    async def save(self, changed: Mapping[str, Remembered]) -> None:
        if self.full:
            raise OSError("database or disk is full")
        if self.bugs:
            self.bugs -= 1
            raise ZeroDivisionError
        await asyncio.sleep(self.slow_s)
        self.saves += 1
        self.kept.update(changed)

    async def forget(self, workload_name: str) -> None:
        self.kept.pop(workload_name, None)


class Facts(Recorder):
    def __init__(self) -> None:
        self.decisions: dict[str, list[Decision]] = {}
        self.replicas: dict[str, tuple[Replica, ...]] = {}

    def observed(self, workload: Workload, replicas: tuple[Replica, ...]) -> None:
        self.replicas[workload.name] = replicas

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:  # noqa: ARG002
        self.decisions.setdefault(workload.name, []).append(decision)


class World:
    """One service over fakes; several in a row share engine, store and queues, as restarts do."""

    def __init__(self) -> None:
        self.queues = Queues()
        self.engine = FakeEngine()
        self.actuator_class = FakeActuator
        self.store = DictStore()
        self.facts = Facts()
        self.clock: Clock = virtual_time.LoopClock()
        self.service: Service

    @asynccontextmanager
    async def running(
        self, *workloads: Workload, complete: Callable[[], Awaitable[object]] | None = None
    ) -> AsyncIterator[Service]:
        memory = Memory(self.store)  # type: ignore[arg-type]
        await memory.load()
        async with self.actuator_class("us", self.engine) as actuator:

            def make_loop(workload: Workload) -> WorkloadLoop:
                return WorkloadLoop(
                    workload,
                    scalers={"queue": scaler_of(self.queues)},
                    actuator=actuator,
                    connections=None,  # type: ignore[arg-type]
                    memory=memory,
                    recorder=self.facts,
                    clock=self.clock,
                )

            service = Service(actuator=actuator, memory=memory, recorder=self.facts, make_loop=make_loop)
            task = asyncio.create_task(service.run(workloads, complete=complete))
            try:
                yield service
            finally:
                task.cancel()
                await asyncio.wait((task,))

    def running_replicas(self) -> int:
        return len(self.engine.running("us"))


def workload(name: str = "worker", *, queue: str = "jobs", interval_s: float = 5, **policy: Any) -> Workload:
    trigger = TriggerPolicy(name="queue-0", type="queue", target=5)
    settings = {"max_replicas": 10, "cooldown_s": 60, **policy}
    return Workload(
        name,
        App((Container("main", "image"),), termination_grace_period_s=1),
        (Trigger(trigger, QueueConfig(queue=queue)),),
        ScalingPolicy((trigger,), **settings),
        interval_s,
    )


def scenario(test: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an async test in virtual time."""

    def run() -> None:
        virtual_time.run(test(World()))

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


@scenario
async def test_replicas_follow_the_queue_from_zero_and_back(world: World) -> None:
    async with world.running(workload()):
        await asyncio.sleep(10)
        assert world.running_replicas() == 0
        world.queues.lengths["jobs"] = 50
        await asyncio.sleep(6)
        assert world.running_replicas() == 10
        world.queues.lengths["jobs"] = 0
        await asyncio.sleep(50)
        assert world.running_replicas() == 10
        await asyncio.sleep(30)
        assert world.engine.existing() == []


@scenario
async def test_a_push_starts_replicas_without_waiting_for_the_interval(world: World) -> None:
    async with world.running(workload(interval_s=3600)):
        await asyncio.sleep(1)
        world.queues.push("jobs", 20)
        await asyncio.sleep(1)
        assert world.running_replicas() == 4


@scenario
async def test_a_source_outage_holds_the_count(world: World) -> None:
    world.queues.lengths["jobs"] = 25
    async with world.running(workload()):
        await asyncio.sleep(10)
        world.queues.lengths["jobs"] = SourceUnavailable("down")
        await asyncio.sleep(3600)
        assert world.running_replicas() == 5
        world.queues.lengths["jobs"] = 0
        await asyncio.sleep(120)
        assert world.running_replicas() == 0


@scenario
async def test_decisions_go_on_while_the_engine_is_down_and_hold_on_its_return(world: World) -> None:
    async with world.running(workload()):
        await asyncio.sleep(1)
        world.engine.down = True
        world.queues.lengths["jobs"] = 15
        await asyncio.sleep(300)
        assert world.facts.decisions["worker"][-1].desired == 3
        world.engine.down = False
        await asyncio.sleep(20)
        assert world.running_replicas() == 3


@scenario
async def test_a_replica_removed_by_hand_is_replaced_at_once(world: World) -> None:
    world.queues.lengths["jobs"] = 25
    async with world.running(workload(interval_s=3600)):
        await asyncio.sleep(5)
        world.engine.remove_by_hand(world.engine.running()[0])
        await asyncio.sleep(5)
        assert world.running_replicas() == 5


@scenario
async def test_replicas_are_shown_as_they_change_not_at_the_next_tick(world: World) -> None:
    async with world.running(workload(interval_s=3600)):
        await asyncio.sleep(1)
        assert world.facts.replicas["worker"] == ()
        world.queues.push("jobs", 20)
        await asyncio.sleep(5)
        assert len(world.facts.decisions["worker"]) == 2
        assert len(world.facts.replicas["worker"]) == 4


@scenario
async def test_a_hung_workload_does_not_delay_another(world: World) -> None:
    world.queues.lengths["hung"] = lambda: asyncio.sleep(1e9)
    async with world.running(workload("a", queue="hung"), workload("b", queue="jobs")):
        await asyncio.sleep(10)
        world.queues.lengths["jobs"] = 5
        await asyncio.sleep(6)
        assert world.running_replicas() == 1
        last = world.facts.decisions["a"][-1]
        assert last.triggers[0].error == "no answer within 3 s"


@scenario
async def test_a_restart_keeps_replicas_count_and_cooldown(world: World) -> None:
    world.queues.lengths["jobs"] = 50
    async with world.running(workload()):
        await asyncio.sleep(10)
        before = world.engine.running()
        world.queues.lengths["jobs"] = 0
        await asyncio.sleep(30)
    assert world.engine.running() == before
    async with world.running(workload()):
        await asyncio.sleep(20)
        assert world.engine.running() == before
        assert world.facts.decisions["worker"][-1].reason == "cooldown"
        await asyncio.sleep(30)
        assert world.running_replicas() == 0
    assert world.engine.starts == 10


@scenario
async def test_a_changed_workload_goes_on_with_its_memory(world: World) -> None:
    world.queues.lengths["jobs"] = 50
    first = workload()
    async with world.running(first) as service:
        await asyncio.sleep(10)
        await service.reconfigure([replace(first, policy=replace(first.policy, max_replicas=4))])
        await asyncio.sleep(5)
        assert world.running_replicas() == 4
        assert world.engine.starts == 10


@scenario
async def test_an_equal_configuration_disturbs_nothing(world: World) -> None:
    first = workload(interval_s=1000)
    async with world.running(first) as service:
        await asyncio.sleep(10)
        ticks = len(world.facts.decisions["worker"])
        await service.reconfigure([replace(first)])
        await asyncio.sleep(0.5)
        assert len(world.facts.decisions["worker"]) == ticks


@scenario
async def test_a_workload_that_left_the_configuration_is_stopped_and_forgotten(world: World) -> None:
    world.queues.lengths["jobs"] = 50
    async with world.running(workload("a"), workload("b")) as service:
        await asyncio.sleep(10)
        assert world.running_replicas() == 20
        await service.reconfigure([workload("b")])
        await asyncio.sleep(10)
        assert world.running_replicas() == 10
        assert set(world.store.kept) == {"b"}


@scenario
async def test_what_is_not_known_yet_is_not_taken_for_gone(world: World) -> None:
    """Replicas and memories of workloads that come later stay until the configuration is complete."""
    world.queues.lengths = {"jobs": 10, "other": 10}
    late = workload("late", queue="other")
    async with world.running(workload(), late):
        await asyncio.sleep(10)
    complete = asyncio.Event()
    async with world.running(workload(), complete=complete.wait) as service:
        await asyncio.sleep(60)
        assert world.running_replicas() == 4
        assert set(world.store.kept) == {"worker", "late"}
        await service.reconfigure([workload(), late])
        complete.set()
        await asyncio.sleep(60)
        assert world.running_replicas() == 4
        assert set(world.store.kept) == {"worker", "late"}


@scenario
async def test_replicas_of_workloads_unknown_since_an_earlier_run_are_stopped(world: World) -> None:
    world.queues.lengths["jobs"] = 50
    async with world.running(workload("a")):
        await asyncio.sleep(10)
    async with world.running(workload("b", queue="other")):
        await asyncio.sleep(10)
        assert world.engine.existing() == []
        assert set(world.store.kept) == {"b"}


@scenario
async def test_a_full_disk_is_reported_once_and_scaling_goes_on(world: World) -> None:
    world.store.full = True
    with capture_logs() as logs:
        async with world.running(workload()):
            world.queues.lengths["jobs"] = 10
            await asyncio.sleep(120)
            assert world.running_replicas() == 2
            world.store.full = False
            await asyncio.sleep(60)
    events = [entry["event"] for entry in logs]
    assert events.count("state_not_written") == 1
    assert events.count("state_written_again") == 1
    assert world.store.kept["worker"].desired == 2


@scenario
async def test_memory_is_written_about_once_a_second_however_often_a_source_is_read(world: World) -> None:
    world.queues.lengths["jobs"] = 10
    async with world.running(*(workload(f"w{number}", interval_s=0.1) for number in range(20))):
        await asyncio.sleep(60)
    assert world.store.saves <= 70


@scenario
async def test_a_bug_in_one_loop_is_contained_and_the_loop_begun_again(world: World) -> None:
    broken = replace(workload("a"), policy=replace(workload().policy, max_replicas="ten"))  # type: ignore[arg-type]
    world.queues.lengths["jobs"] = 10
    with capture_logs() as logs:
        async with world.running(broken, workload("b")):
            await asyncio.sleep(30)
            assert world.running_replicas() == 2
    assert [entry["event"] for entry in logs].count("workload_loop_failed") >= 2


@scenario
async def test_starts_that_fail_are_tried_again_and_reported_once(world: World) -> None:
    world.engine.failing_starts = 15
    world.queues.lengths["jobs"] = 5
    with capture_logs() as logs:
        async with world.running(workload()):
            await asyncio.sleep(7200)
            assert world.running_replicas() == 1
    events = [entry["event"] for entry in logs]
    assert events.count("actuation_failed") == 1
    assert events.count("actuation_recovered") == 1


@scenario
async def test_a_hung_engine_does_not_hold_up_decisions(world: World) -> None:
    async with world.running(workload()):
        await asyncio.sleep(10)
        world.engine.answer_delay_s = 600
        world.queues.lengths["jobs"] = 15
        await asyncio.sleep(20)
        assert world.facts.decisions["worker"][-1].desired == 3


@scenario
async def test_an_image_that_is_pulled_for_long_does_not_hold_up_a_scale_down(world: World) -> None:
    world.queues.lengths["jobs"] = 25
    async with world.running(workload(cooldown_s=10)):
        await asyncio.sleep(10)
        world.engine.prepare_delay_s = 3600
        world.queues.lengths["jobs"] = 50
        await asyncio.sleep(10)
        world.queues.lengths["jobs"] = 0
        await asyncio.sleep(60)
        assert world.engine.existing() == []
        world.engine.prepare_delay_s = 0
        await asyncio.sleep(3600)
        assert world.engine.starts == 5


@scenario
async def test_adopted_replicas_are_kept_up_although_their_count_never_changes(world: World) -> None:
    world.queues.lengths["jobs"] = 25
    steady = workload(interval_s=3600)
    async with world.running(steady):
        await asyncio.sleep(10)
    async with world.running(steady):
        await asyncio.sleep(5)
        removed, crashed, *_ = world.engine.running()
        world.engine.remove_by_hand(removed)
        world.engine.crash(crashed)
        await asyncio.sleep(5)
        assert world.running_replicas() == 5
        assert crashed in world.engine.running()


class BuggyActuator(FakeActuator):
    """Raises what its contract does not allow, at first."""

    def __init__(self, owner: str, engine: FakeEngine) -> None:
        super().__init__(owner, engine)
        self.bugs = dict.fromkeys(("changes", "owned", "remove"), 2)

    def _break(self, method: str) -> None:
        if self.bugs[method]:
            self.bugs[method] -= 1
            raise ZeroDivisionError if self.bugs[method] else asyncio.CancelledError

    async def changes(self) -> AsyncIterator[str]:
        self._break("changes")
        async for name in super().changes():
            yield name

    async def owned(self) -> Mapping[str, tuple[Replica, ...]]:
        self._break("owned")
        return await super().owned()

    async def remove(self, workload_name: str) -> None:
        self._break("remove")
        await super().remove(workload_name)


@scenario
async def test_bugs_of_the_actuator_do_not_end_the_service(world: World) -> None:
    world.queues.lengths["jobs"] = 25
    async with world.running(workload("a"), workload("b", interval_s=3600)):
        await asyncio.sleep(10)
    world.actuator_class = BuggyActuator
    with capture_logs() as logs:
        async with world.running(workload("b", interval_s=3600)) as service:
            await asyncio.sleep(60)
            assert world.running_replicas() == 5
            world.engine.remove_by_hand(world.engine.running()[0])
            await asyncio.sleep(5)
            assert world.running_replicas() == 5
            await service.reconfigure([])
            await asyncio.sleep(10)
            assert world.engine.existing() == []
    assert [entry["event"] for entry in logs].count("service_task_failed") == 6


@scenario
async def test_a_bug_of_the_state_store_loses_nothing(world: World) -> None:
    world.store.bugs = 1
    world.queues.lengths["jobs"] = 10
    async with world.running(workload(interval_s=3600)):
        await asyncio.sleep(10)
        assert world.store.kept["worker"].desired == 2


@scenario
async def test_a_stop_in_the_middle_of_a_write_loses_nothing(world: World) -> None:
    world.store.slow_s = 0.5
    world.queues.lengths["jobs"] = 10
    async with world.running(workload(interval_s=3600)):
        await asyncio.sleep(0.2)
    assert world.store.kept["worker"].desired == 2


@scenario
async def test_two_reconfigurations_at_once_leave_one_loop_per_workload(world: World) -> None:
    first = workload(interval_s=1)
    world.queues.lengths["jobs"] = 10
    world.engine.start_delay_s = 2
    async with world.running(first) as service:
        await asyncio.sleep(1)
        second = replace(first, policy=replace(first.policy, max_replicas=4))
        third = replace(first, policy=replace(first.policy, max_replicas=5))
        await asyncio.gather(service.reconfigure([second]), service.reconfigure([third]))
        world.facts.decisions.clear()
        await asyncio.sleep(100)
        assert len(world.facts.decisions["worker"]) < 110


@pytest.mark.parametrize("_", range(8))  # back-off is random: the two searches meet in some of them
def test_a_workload_that_comes_back_while_it_is_removed_keeps_its_new_replicas(_: int) -> None:
    async def main() -> None:
        world = World()
        world.queues.lengths["jobs"] = 25
        async with world.running(workload("a")):
            await asyncio.sleep(10)
        world.engine.down = True
        async with world.running(workload("a")) as service:
            await asyncio.sleep(5)
            await service.reconfigure([])
            await asyncio.sleep(60)
            world.engine.down = False
            while world.running_replicas():
                await asyncio.sleep(0.1)
            await service.reconfigure([workload("a")])
            await asyncio.sleep(300)
            assert world.running_replicas() == 5
            assert world.engine.starts == 10

    virtual_time.run(main())


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in the middle of a start"])
def test_stopping_leaves_the_replicas_running(busy: bool) -> None:  # noqa: FBT001
    async def main() -> None:
        world = World()
        world.queues.lengths["jobs"] = 50
        world.engine.start_delay_s = 2 if busy else 0
        async with world.running(workload()):
            await asyncio.sleep(1)
        assert world.running_replicas() == 10
        assert world.store.kept["worker"].desired == 10

    virtual_time.run(main())


@scenario
async def test_a_workload_at_zero_is_read_at_its_own_pace(world: World) -> None:
    eager = replace(workload(interval_s=30), idle_polling_interval_s=0.2)
    async with world.running(eager):
        await asyncio.sleep(1)
        world.queues.lengths["jobs"] = 7
        await asyncio.sleep(0.3)
        assert world.running_replicas() == 2
        busy = len(world.facts.decisions["worker"])
        await asyncio.sleep(300)
        assert len(world.facts.decisions["worker"]) - busy < 15
        world.queues.lengths["jobs"] = 0
        await asyncio.sleep(600)
        assert world.running_replicas() == 0
        world.queues.lengths["jobs"] = 1
        await asyncio.sleep(0.3)
        assert world.running_replicas() == 1


class SetForward(virtual_time.LoopClock):
    """A wall clock that was set forward by an hour since the service began."""

    def wall(self) -> float:
        return self.now() + 3600


def test_a_schedule_means_the_wall_clock_also_after_it_was_set() -> None:
    async def timeline() -> float | None:
        world = World()
        world.clock = clock = SetForward()
        world.queues.lengths["jobs"] = Reading(0.0, active=False, changes_at=clock.wall() + 90)
        async with world.running(workload()):
            await asyncio.sleep(1)
        return world.facts.decisions["worker"][0].next_change_at

    assert virtual_time.run(timeline()) == pytest.approx(1_000_090)


class Services(Actuator):
    """Services that run already: their counts, and whether their engine answers."""

    kind = "services"

    def __init__(self, **counts: int) -> None:
        self.counts = counts
        self.down = False
        self.applied: list[tuple[str, int]] = []

    async def __aexit__(self, *_: object) -> None:
        pass

    async def observe(self, workload: Workload) -> tuple[Replica, ...]:
        assert isinstance(workload.target, ForeignTarget)
        if self.down:
            raise EngineUnavailable("no answer")
        names = [f"{workload.target.name}-{number}" for number in range(self.counts[workload.target.name])]
        return tuple(Replica(name, name, workload.name, "1", ReplicaState.READY, 0) for name in names)

    async def apply(self, workload: Workload, count: int) -> Applied:
        before = await self.observe(workload)
        assert isinstance(workload.target, ForeignTarget)
        self.counts[workload.target.name] = count
        self.applied.append((workload.target.name, count))
        return Applied(started=("one",) * max(0, count - len(before)))

    async def owned(self) -> Mapping[str, tuple[Replica, ...]]:
        return {}

    async def usage(self, workload: Workload) -> tuple[Usage, ...]:
        raise NotImplementedError

    async def remove(self, workload_name: str) -> None:
        pass

    async def changes(self) -> AsyncIterator[str]:
        await asyncio.get_running_loop().create_future()
        yield ""

    def world(self) -> World:
        """Return a world of apps and of these."""
        world = World()
        world.actuator_class = lambda owner, engine: RoutingActuator(  # type: ignore[assignment,return-value]
            FakeActuator(owner, engine), {"ComposeService": self}
        )
        return world


def service(name: str = "web", **policy: Any) -> Workload:
    return replace(workload(**policy), target=ForeignTarget("ComposeService", name))


def test_a_service_that_cannot_be_seen_at_first_is_not_taken_for_one_at_zero() -> None:
    async def main() -> None:
        services = Services(web=4)
        services.down = True
        world = services.world()
        world.queues.lengths["jobs"] = SourceUnavailable("down too")
        async with world.running(service(min_replicas=1)):
            await asyncio.sleep(60)
            services.down = False
            await asyncio.sleep(600)
        assert services.counts == {"web": 4}
        assert world.facts.decisions["worker"][0].current == 4

    virtual_time.run(main())


def test_a_service_that_could_not_be_seen_is_looked_at_again_before_a_long_interval_ends() -> None:
    async def main() -> None:
        services = Services(web=1)
        services.down = True
        world = services.world()
        world.queues.lengths["jobs"] = 20
        async with world.running(service(interval_s=3600)):
            await asyncio.sleep(10)
            services.down = False
            await asyncio.sleep(10)
            decided = len(world.facts.decisions["worker"])
            assert services.counts == {"web": 4}
            await asyncio.sleep(3000)
            assert len(world.facts.decisions["worker"]) <= decided + 1

    virtual_time.run(main())


@pytest.mark.parametrize("restart", [False, True], ids=["while it runs", "between two runs"])
def test_another_target_under_the_same_name_begins_with_its_own_count(restart: bool) -> None:  # noqa: FBT001
    async def main() -> None:
        services = Services(web=1, other=3)
        world = services.world()
        async with world.running(service()) as running:
            await asyncio.sleep(300)
            assert services.counts == {"web": 0, "other": 3}
            world.queues.lengths["jobs"] = SourceUnavailable("down")
            if not restart:
                await running.reconfigure([service("other")])
                await asyncio.sleep(600)
        if restart:
            async with world.running(service("other")):
                await asyncio.sleep(600)
        assert services.counts == {"web": 0, "other": 3}

    virtual_time.run(main())


@pytest.mark.parametrize("restart", [False, True], ids=["while it runs", "between two runs"])
def test_an_app_that_became_a_service_leaves_no_replica_behind(restart: bool) -> None:  # noqa: FBT001
    async def main() -> None:
        services = Services(web=2)
        world = services.world()
        world.queues.lengths["jobs"] = 25
        async with world.running(workload()) as running:
            await asyncio.sleep(10)
            assert world.running_replicas() == 5
            if not restart:
                world.engine.down = True
                await running.reconfigure([service()])
                await running.reconfigure([service(max_replicas=30)])
                world.engine.down = False
                await asyncio.sleep(100)
        if restart:
            async with world.running(service()):
                await asyncio.sleep(100)
        assert world.running_replicas() == 0
        assert services.counts == {"web": 5}
        assert world.facts.decisions["worker"][-1].current == 5
        assert 2 in [decision.current for decision in world.facts.decisions["worker"]]
        assert world.store.kept["worker"].target == "ComposeService/web"

    virtual_time.run(main())


def test_a_service_that_became_an_app_stays_as_it_is() -> None:
    async def main() -> None:
        services = Services(web=2)
        world = services.world()
        world.queues.lengths["jobs"] = 25
        async with world.running(service()) as running:
            await asyncio.sleep(10)
            await running.reconfigure([workload()])
            await asyncio.sleep(10)
            assert world.running_replicas() == 5
        assert services.counts == {"web": 5}

    virtual_time.run(main())

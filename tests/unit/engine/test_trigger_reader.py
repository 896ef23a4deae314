"""Whatever a plugin does, its trigger becomes a reading, and nothing else suffers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Self

import pytest
from structlog.testing import capture_logs

from scaler.clients.batcher import GATHER_S
from scaler.engine.trigger_reader import GRACE_S, READ_DEADLINE_S, TriggerReader
from scaler.model import (
    App,
    Container,
    Reading,
    ReplicaSample,
    ReplicaState,
    Resource,
    ScalingPolicy,
    Trigger,
    TriggerPolicy,
    Workload,
)
from scaler.ports.connections import Connections
from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.ports.recorder import Recorder
from scaler.ports.scaler import PushScaler, Scaler, ScalerConfig
from scaler.testing import virtual_time
from scalers.resources.cpu import CpuScaler


class EmptyConfig(ScalerConfig):
    def target(self) -> float:
        return 1

    def activation(self) -> float:
        return 0


class Bugs(Recorder):
    def __init__(self) -> None:
        self.count = 0

    def plugin_bug(self, workload: Workload, trigger: str) -> None:  # noqa: ARG002
        self.count += 1


POLICY = TriggerPolicy(name="t-0", type="scripted", target=1)
TRIGGER = Trigger(POLICY, EmptyConfig())
WORKLOAD = Workload("worker", App((Container("main", "image"),)), (TRIGGER,), ScalingPolicy((POLICY,)))


def scripted(behave: Callable[[], Any]) -> type[Scaler[EmptyConfig]]:
    """Return a plugin whose reads do what `behave` does."""

    class Scripted(Scaler[EmptyConfig]):
        type = "scripted"
        Config = EmptyConfig

        @classmethod
        @asynccontextmanager
        async def open(cls, config: EmptyConfig, connections: Connections) -> AsyncIterator[Self]:  # noqa: ARG003
            yield cls()

        async def read(self) -> Reading:
            outcome = behave()
            if asyncio.iscoroutine(outcome):
                outcome = await outcome
            return outcome

    return Scripted


class Script:
    """Read outcomes in order; exceptions are raised."""

    def __init__(self, *outcomes: Reading | Exception) -> None:
        self._outcomes = iter(outcomes)

    def __call__(self) -> Reading:
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def read_all(plugin: type[Scaler[Any]], times: int) -> tuple[list[Reading], list[Any], int]:
    """Return the readings, the log, and how many bugs were counted."""
    bugs = Bugs()

    async def main() -> list[Reading]:
        reader = TriggerReader(WORKLOAD, TRIGGER, plugin, None, bugs)  # type: ignore[arg-type]
        running = asyncio.create_task(reader.run(lambda: None))
        readings = []
        for _ in range(times):
            readings.append(await reader.read())
            await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait((running,))
        return readings

    with capture_logs() as logs:
        readings = virtual_time.run(main())
    return readings, logs, bugs.count


def test_statistics_are_attached_before_the_first_read() -> None:
    sample = ReplicaSample("a", ReplicaState.READY, 0.25)

    class Scripted:
        asked: ClassVar[list[tuple[Resource, str | None]]] = []

        async def samples(self, resource: Resource, container: str | None = None) -> tuple[ReplicaSample, ...]:
            self.asked.append((resource, container))
            return (sample,)

    config = CpuScaler.Config.model_validate({"value": "1", "containerName": "main"})
    statistics = Scripted()

    async def main() -> Reading:
        trigger = Trigger(POLICY, config)
        reader = TriggerReader(WORKLOAD, trigger, CpuScaler, None, Bugs(), statistics=statistics)  # type: ignore[arg-type]
        running = asyncio.create_task(reader.run(lambda: None))
        reading = await reader.read()
        running.cancel()
        await asyncio.wait((running,))
        return reading

    assert virtual_time.run(main()).samples == (sample,)
    assert statistics.asked == [(Resource.CPU, "main")]


@pytest.mark.parametrize("samples", [(1,), (ReplicaSample("a", ReplicaState.READY, "much"),)])  # type: ignore[arg-type]
def test_samples_that_are_none_are_a_bug_of_the_plugin(samples: Any) -> None:
    readings, _, bugs = read_all(scripted(Script(Reading(samples=samples))), 1)
    assert readings[0].error is not None
    assert bugs == 1


def test_an_outage_is_logged_once_and_its_end_once() -> None:
    outage = SourceUnavailable("connection refused")
    script = Script(Reading(1), outage, outage, outage, Reading(2), Reading(3))
    readings, logs, bugs = read_all(scripted(script), 6)
    assert [reading.value for reading in readings] == [1, None, None, None, 2, 3]
    assert readings[1].error == "connection refused"
    assert [entry["event"] for entry in logs] == ["trigger_unavailable", "trigger_recovered"]
    assert bugs == 0


def test_an_outage_that_the_client_logged_for_all_is_not_logged_again_at_each_trigger() -> None:
    outage = SourceUnavailable("connection refused")
    outage.logged = True
    readings, logs, _ = read_all(scripted(Script(Reading(1), outage, outage.again(), Reading(2))), 4)
    assert [reading.value for reading in readings] == [1, None, None, 2]
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("trigger_unavailable", "debug"),
        ("trigger_recovered", "debug"),
    ]


def test_an_outage_that_was_logged_at_the_trigger_is_also_ended_there() -> None:
    outage = SourceUnavailable("connection refused")
    outage.logged = True
    script = Script(Reading(1), SourceUnavailable("no answer in time"), outage, Reading(2), outage.again(), Reading(3))
    _, logs, _ = read_all(scripted(script), 6)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("trigger_unavailable", "warning"),
        ("trigger_recovered", "info"),
        ("trigger_unavailable", "debug"),
        ("trigger_recovered", "debug"),
    ]


def test_a_client_that_gives_up_at_the_deadline_says_itself_what_was_lost() -> None:
    async def frozen() -> Reading:
        await asyncio.sleep(READ_DEADLINE_S + GATHER_S)
        outage = SourceUnavailable("redis at localhost:6379: Timeout reading")
        outage.logged = True
        raise outage

    readings, logs, _ = read_all(scripted(frozen), 1)
    assert [reading.error for reading in readings] == ["redis at localhost:6379: Timeout reading"]
    assert [entry["log_level"] for entry in logs] == ["debug"]


def test_a_trigger_s_own_time_out_takes_the_place_of_the_engine_s() -> None:
    class PatientConfig(EmptyConfig):
        def read_timeout_s(self) -> float:
            return 20

    async def slow() -> Reading:
        await asyncio.sleep(10)
        return Reading(7)

    async def main() -> Reading:
        trigger = Trigger(POLICY, PatientConfig())
        reader = TriggerReader(WORKLOAD, trigger, scripted(slow), None, Recorder())  # type: ignore[arg-type]
        running = asyncio.create_task(reader.run(lambda: None))
        reading = await reader.read()
        running.cancel()
        await asyncio.wait((running,))
        return reading

    assert virtual_time.run(main()).value == 7


def test_a_rejection_says_so() -> None:
    readings, _, _ = read_all(scripted(Script(SourceRejected("wrong password"))), 1)
    assert readings[0].error == "rejected: wrong password"


def test_an_unexpected_exception_is_a_bug_that_is_counted_and_logged_once_with_traceback() -> None:
    script = Script(ZeroDivisionError("oops"), ZeroDivisionError("oops"), Reading(1))
    readings, logs, bugs = read_all(scripted(script), 3)
    assert [reading.value for reading in readings] == [None, None, 1]
    assert bugs == 2
    assert [entry["event"] for entry in logs] == ["plugin_bug", "trigger_unavailable", "trigger_recovered"]
    assert logs[0]["raised"] == "ZeroDivisionError"
    assert "oops" not in str(logs)
    assert any(frame.endswith(" __call__") for frame in logs[0]["traceback"])


def test_a_hung_read_ends_at_the_deadline() -> None:
    readings, _, _ = read_all(scripted(lambda: asyncio.sleep(3600)), 1)
    assert readings[0].error == f"no answer within {READ_DEADLINE_S:g} s"


def test_a_plugin_that_ignores_its_cancellation_stays_unknown_until_it_ends() -> None:
    async def stubborn() -> Reading:
        end = asyncio.get_running_loop().time() + 2 * READ_DEADLINE_S + 1
        while (remaining := end - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.sleep(remaining)
            except asyncio.CancelledError:
                continue
        return Reading(5)

    async def main() -> tuple[list[Reading], float]:
        reader = TriggerReader(WORKLOAD, TRIGGER, scripted(stubborn), None, Bugs())  # type: ignore[arg-type]
        running = asyncio.create_task(reader.run(lambda: None))
        readings = [await reader.read(), await reader.read()]
        took = asyncio.get_running_loop().time()
        await asyncio.sleep(2 * READ_DEADLINE_S)
        running.cancel()
        await asyncio.wait((running,))
        return readings, took

    readings, took = virtual_time.run(main())
    assert [reading.error for reading in readings] == ["no answer within 3 s", "the previous read has not ended"]
    assert took == pytest.approx(READ_DEADLINE_S + GRACE_S)


def test_a_plugin_that_cannot_be_opened_is_unknown_and_tried_again() -> None:
    attempts = 0

    class Failing(scripted(lambda: Reading(4))):  # type: ignore[misc]
        @classmethod
        @asynccontextmanager
        async def open(cls, config: EmptyConfig, connections: Connections) -> AsyncIterator[Self]:  # noqa: ARG003
            nonlocal attempts
            attempts += 1
            if attempts < 5:
                raise RuntimeError
            yield cls()

    readings, _, bugs = read_all(Failing, 3)
    assert readings[0].error == "opening the scaler 'scripted' raised RuntimeError"
    assert readings[-1].value == 4
    assert bugs == 4


def test_pushes_wake_and_a_failing_push_is_begun_again() -> None:
    beginnings = 0

    class Pushing(scripted(lambda: Reading(0)), PushScaler[EmptyConfig]):  # type: ignore[misc]
        async def wakeups(self) -> AsyncIterator[None]:
            nonlocal beginnings
            beginnings += 1
            yield
            if beginnings < 3:
                message = "lost"
                raise SourceUnavailable(message)

    wakes = 0

    def wake() -> None:
        nonlocal wakes
        wakes += 1

    async def main() -> None:
        reader = TriggerReader(WORKLOAD, TRIGGER, Pushing, None, Bugs())  # type: ignore[arg-type]
        running = asyncio.create_task(reader.run(wake))
        await asyncio.sleep(3600)
        running.cancel()
        await asyncio.wait((running,))

    virtual_time.run(main())
    assert (beginnings, wakes) == (3, 3)


@pytest.mark.parametrize("raised", [asyncio.CancelledError, SystemExit])
def test_what_is_no_exception_is_a_bug_all_the_same(raised: type[BaseException]) -> None:
    def behave() -> Reading:
        raise raised

    readings, _, bugs = read_all(scripted(behave), 2)
    assert [reading.error for reading in readings] == [f"the scaler 'scripted' raised {raised.__name__}"] * 2
    assert bugs == 2


@pytest.mark.parametrize(
    ("returned", "raised"),
    [
        pytest.param(Reading(1, changes_at=float("nan")), "TypeError", id="moment"),
        pytest.param(Reading(1, changes_at=9.0, changes_zone="Nowhere/City"), "ZoneInfoNotFoundError", id="zone"),
    ],
)
def test_a_change_at_no_moment_is_a_bug(returned: Reading, raised: str) -> None:
    readings, _, bugs = read_all(scripted(lambda: returned), 1)
    assert (readings[0].error, bugs) == (f"the scaler 'scripted' raised {raised}", 1)


@pytest.mark.parametrize("returned", [None, Reading("5")], ids=["nothing", "text"])  # type: ignore[arg-type]
def test_what_is_no_reading_is_a_bug(returned: Any) -> None:
    readings, _, bugs = read_all(scripted(lambda: returned), 1)
    assert readings[0].error == "the scaler 'scripted' raised TypeError"
    assert bugs == 1


def closing(close: Callable[[], Any]) -> type[Scaler[EmptyConfig]]:
    """Return a plugin that does this when it is closed."""

    class Closing(scripted(lambda: Reading(1))):  # type: ignore[misc]
        @classmethod
        @asynccontextmanager
        async def open(cls, config: EmptyConfig, connections: Connections) -> AsyncIterator[Self]:  # noqa: ARG003
            try:
                yield cls()
            finally:
                await close()

    return Closing


async def fail() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("close", [fail, lambda: asyncio.sleep(3600)], ids=["fails", "hangs"])
def test_a_plugin_that_cannot_be_closed_does_not_keep_its_reader_from_ending(close: Callable[[], Any]) -> None:
    async def main() -> None:
        reader = TriggerReader(WORKLOAD, TRIGGER, closing(close), None, Bugs())  # type: ignore[arg-type]
        running = asyncio.create_task(reader.run(lambda: None))
        await reader.read()
        running.cancel()
        await asyncio.wait((running,), timeout=60)
        assert running.cancelled()

    with capture_logs() as logs:
        virtual_time.run(main())
    assert len(logs) == 1


def test_a_plugin_whose_opening_or_push_is_cancelled_from_within_is_tried_again() -> None:
    beginnings = 0

    class Cancelling(scripted(lambda: Reading(4)), PushScaler[EmptyConfig]):  # type: ignore[misc]
        opened = False

        @classmethod
        @asynccontextmanager
        async def open(cls, config: EmptyConfig, connections: Connections) -> AsyncIterator[Self]:  # noqa: ARG003
            if not Cancelling.opened:
                Cancelling.opened = True
                raise asyncio.CancelledError
            yield cls()

        async def wakeups(self) -> AsyncIterator[None]:
            nonlocal beginnings
            beginnings += 1
            yield
            raise asyncio.CancelledError

    readings, _, _ = read_all(Cancelling, 10)
    assert readings[-1].value == 4
    assert beginnings >= 3


def test_a_read_under_way_ends_with_the_workload() -> None:
    ended = asyncio.Event()

    async def read() -> Reading:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()
        return Reading(1)

    async def main() -> None:
        reader = TriggerReader(WORKLOAD, TRIGGER, scripted(read), None, Bugs())  # type: ignore[arg-type]
        running = asyncio.create_task(reader.run(lambda: None))
        reading = asyncio.create_task(reader.read())
        await asyncio.sleep(1)
        reading.cancel()
        running.cancel()
        await asyncio.wait((running, reading))
        assert ended.is_set()

    virtual_time.run(main())


def test_a_plugin_that_ends_now_and_then_is_opened_again_as_soon_as_the_first_time() -> None:
    gaps: list[float] = []
    ended_at: list[float] = []

    class Crashing(scripted(lambda: Reading(4))):  # type: ignore[misc]
        @classmethod
        @asynccontextmanager
        async def open(cls, config: EmptyConfig, connections: Connections) -> AsyncIterator[Self]:  # noqa: ARG003
            loop = asyncio.get_running_loop()
            gaps.extend(loop.time() - moment for moment in ended_at[-1:])
            try:
                async with asyncio.timeout(1000):
                    yield cls()
            except TimeoutError as error:
                ended_at.append(loop.time())
                message = "the client crashed"
                raise SourceUnavailable(message) from error

    async def main() -> None:
        reader = TriggerReader(WORKLOAD, TRIGGER, Crashing, None, Bugs())  # type: ignore[arg-type]
        running = asyncio.create_task(reader.run(lambda: None))
        await asyncio.sleep(10_500)
        running.cancel()
        await asyncio.wait((running,))

    virtual_time.run(main())
    assert len(gaps) == 10
    assert max(gaps) < 1

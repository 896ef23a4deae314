"""Applying counts while the actuator is slow, fails, or misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
from structlog.testing import capture_logs

from scaler.engine.actuation import STEP_PATIENCE_S, Actuation
from scaler.model import App, Container, Replica, ScalingPolicy, Workload
from scaler.ports.actuator import Actuator, Applied, Usage
from scaler.ports.errors import ActuatorError, EngineUnavailable, RegistryUnavailable, ReplicaRejected
from scaler.ports.recorder import Recorder
from scaler.testing import virtual_time

WORKLOAD = Workload("worker", App((Container("main", "image"),)), (), ScalingPolicy(()))


class ScriptedActuator(Actuator):
    """Takes `takes_s` for each apply and then raises what it was given."""

    kind = "scripted"

    def __init__(self, *, takes_s: float = 0, raising: BaseException | None = None) -> None:
        self.takes_s = takes_s
        self.raising = raising
        self.begun: list[tuple[float, int]] = []
        self.applied: list[int] = []

    async def __aexit__(self, *_: object) -> None:
        pass

    async def observe(self, workload: Workload) -> tuple[Replica, ...]:
        raise NotImplementedError

    async def apply(self, workload: Workload, count: int) -> Applied:  # noqa: ARG002
        self.begun.append((asyncio.get_running_loop().time(), count))
        await asyncio.sleep(self.takes_s)
        if self.raising is not None:
            raise self.raising
        self.applied.append(count)
        return Applied()

    async def usage(self, workload: Workload) -> tuple[Usage, ...]:
        raise NotImplementedError

    def changes(self) -> AsyncIterator[str]:
        raise NotImplementedError

    async def owned(self) -> Mapping[str, tuple[Replica, ...]]:
        raise NotImplementedError

    async def remove(self, workload_name: str) -> None:
        raise NotImplementedError


async def running(actuator: Actuator) -> tuple[Actuation, asyncio.Task[None]]:
    actuation = Actuation(WORKLOAD, actuator, Recorder())
    return actuation, asyncio.create_task(actuation.run())


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()


def test_a_step_that_takes_minutes_is_given_up_for_a_newer_count() -> None:
    async def main() -> None:
        actuator = ScriptedActuator(takes_s=600)
        actuation, task = await running(actuator)
        actuation.request(10, read_at=0)
        await asyncio.sleep(60)
        actuator.takes_s = 0
        actuation.request(0, read_at=0)
        await asyncio.sleep(STEP_PATIENCE_S)
        assert set(actuator.applied) == {0}
        await stop(task)

    virtual_time.run(main())


def test_a_step_that_takes_minutes_goes_on_while_the_count_stays() -> None:
    async def main() -> None:
        actuator = ScriptedActuator(takes_s=600)
        actuation, task = await running(actuator)
        for _ in range(100):
            actuation.request(10, read_at=0)
            await asyncio.sleep(5)
        assert len(actuator.begun) == 1
        await asyncio.sleep(200)
        assert actuator.applied[0] == 10
        await stop(task)

    virtual_time.run(main())


def test_a_count_that_came_while_a_step_was_failing_is_not_kept_waiting() -> None:
    async def main() -> None:
        actuator = ScriptedActuator(takes_s=2, raising=ReplicaRejected("no such image"))
        actuation, task = await running(actuator)
        actuation.request(10, read_at=0)
        await asyncio.sleep(1)
        actuation.request(0, read_at=0)
        await asyncio.sleep(2)
        assert [count for _, count in actuator.begun] == [10, 0]
        await stop(task)

    virtual_time.run(main())


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ReplicaRejected("image registry.internal/app:1 cannot be pulled: secret", told="no image"), ["no image"]),
        (ReplicaRejected("/srv/app/run: Permission denied"), [ReplicaRejected.told]),
        (RegistryUnavailable("image registry.internal/app:1 cannot be pulled: dial tcp"), [RegistryUnavailable.told]),
        (EngineUnavailable("the Docker engine does not answer"), []),
    ],
    ids=["own words", "rejected", "registry away", "engine away"],
)
def test_who_waits_for_a_replica_is_told_why_there_is_none_without_internals(
    error: ActuatorError, told: list[str]
) -> None:
    heard: list[str] = []

    class Hearing(Recorder):
        def unstartable(self, workload: Workload, *, reason: str) -> None:  # noqa: ARG002
            heard.append(reason)

    async def main() -> None:
        actuation = Actuation(WORKLOAD, ScriptedActuator(raising=error), Hearing())
        task = asyncio.create_task(actuation.run())
        actuation.request(1, read_at=0)
        await asyncio.sleep(0.1)
        await stop(task)

    virtual_time.run(main())
    assert heard == told


def test_an_actuator_that_cancels_itself_is_tried_again() -> None:
    async def main() -> None:
        actuator = ScriptedActuator(raising=asyncio.CancelledError())
        actuation, task = await running(actuator)
        actuation.request(3, read_at=0)
        await asyncio.sleep(1)
        actuator.raising = None
        await asyncio.sleep(30)
        assert actuator.applied == [3]
        await stop(task)

    with capture_logs() as logs:
        virtual_time.run(main())
    assert [entry["event"] for entry in logs][-1] == "actuation_recovered"

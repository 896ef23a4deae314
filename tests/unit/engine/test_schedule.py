"""When a workload wakes."""

import asyncio
import itertools

import pytest

from scaler.engine.schedule import GRID_S, JITTER, PUSH_GAP_S, Schedule
from scaler.testing import virtual_time


def test_first_tick_is_immediate_and_the_second_within_one_interval() -> None:
    async def timeline() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        schedule = Schedule(10)
        await schedule.wait()
        first = loop.time()
        await schedule.wait()
        return first, loop.time()

    first, second = virtual_time.run(timeline())
    assert first == 0
    assert 0 <= second <= 10 + GRID_S


@pytest.mark.parametrize("interval_s", [0.1, 1, 5, 30])
def test_ticks_keep_the_interval_on_average_and_are_jittered(interval_s: float) -> None:
    async def timeline() -> list[float]:
        loop = asyncio.get_running_loop()
        schedule = Schedule(interval_s)
        times = []
        for _ in range(400):
            lateness_s, pushed = await schedule.wait()
            assert not pushed
            assert lateness_s >= 0
            times.append(loop.time())
        return times[1:]

    times = virtual_time.run(timeline())
    periods = [later - earlier for earlier, later in itertools.pairwise(times)]
    grid_s = min(GRID_S, interval_s / 10)
    assert min(periods) >= interval_s * (1 - JITTER) - grid_s
    assert max(periods) <= interval_s * (1 + JITTER) + grid_s + 1e-6
    assert len(set(periods)) > 1


def test_ticks_of_many_workloads_fall_on_shared_moments() -> None:
    async def timeline() -> set[float]:
        moments: set[float] = set()

        async def workload() -> None:
            schedule = Schedule(1)
            for _ in range(5):
                await schedule.wait()
                moments.add(round(asyncio.get_running_loop().time(), 6))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(200):
                tasks.create_task(workload())
        return moments

    moments = virtual_time.run(timeline())
    assert len(moments) <= 5 / GRID_S + 2


def test_a_push_wakes_at_once() -> None:
    async def timeline() -> tuple[float, bool]:
        loop = asyncio.get_running_loop()
        schedule = Schedule(1000)
        await schedule.wait()
        schedule._due = 1000.0
        loop.call_at(7, schedule.push)
        _, pushed = await schedule.wait()
        return loop.time(), pushed

    assert virtual_time.run(timeline()) == (7, True)


def test_a_push_right_after_a_tick_by_the_interval_wakes_at_once() -> None:
    """A request to an app at zero does not wait because the app was looked at just before."""

    async def timeline() -> tuple[float, bool]:
        loop = asyncio.get_running_loop()
        schedule = Schedule(10)
        await schedule.wait()
        await schedule.wait()
        ticked = loop.time()
        schedule.push()
        _, pushed = await schedule.wait()
        return loop.time() - ticked, pushed

    assert virtual_time.run(timeline()) == (0, True)


def test_a_storm_of_pushes_wakes_no_more_often_than_the_gap() -> None:
    async def timeline() -> int:
        loop = asyncio.get_running_loop()
        schedule = Schedule(1000)
        await schedule.wait()
        schedule._due = 1000.0
        for millisecond in range(1000):
            loop.call_at(10 + millisecond / 1000, schedule.push)
        wakes = 0
        while loop.time() < 11:
            await schedule.wait()
            wakes += 1
        return wakes

    assert virtual_time.run(timeline()) <= 1 / PUSH_GAP_S + 2


def test_a_tick_that_was_missed_is_not_made_up_for() -> None:
    async def timeline() -> int:
        loop = asyncio.get_running_loop()
        schedule = Schedule(1)
        await schedule.wait()
        await asyncio.sleep(60)
        ticks = 0
        while loop.time() < 63:
            await schedule.wait()
            ticks += 1
        return ticks

    assert virtual_time.run(timeline()) <= 5


def test_a_faster_pace_brings_the_next_tick_forward_and_a_slower_one_keeps_it() -> None:
    async def timeline() -> tuple[float, float, float]:
        loop = asyncio.get_running_loop()
        schedule = Schedule(30)
        await schedule.wait()
        schedule.pace(0.2)
        await schedule.wait()
        fast = loop.time()
        schedule.pace(30)
        await schedule.wait()
        kept = loop.time()
        await schedule.wait()
        return fast, kept, loop.time()

    fast, kept, slow = virtual_time.run(timeline())
    assert fast <= 0.3
    assert kept - fast <= 0.3
    assert slow - kept > 25

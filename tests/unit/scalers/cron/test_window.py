"""The cron trigger wakes at the minute itself, by the wall clock, and a read from then on sees the new value."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from scaler.model import MetricType, Reading
from scaler.testing import virtual_time
from scalers.cron.window import CronConfig, CronScaler

PARAMETERS = {
    "start": "0 8 * * mon-fri",
    "end": "0 18 * * mon-fri",
    "timezone": "Europe/Berlin",
    "desiredReplicas": "5",
}
# As fine as a date can tell.
MICROSECOND_S = 1e-6


def berlin(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


class Wall:
    """A wall clock that runs with the loop's, by `rate`, and can be set."""

    def __init__(self, text: str, *, rate: float = 1.0) -> None:
        self.rate = rate
        self.set(text)

    def __call__(self) -> float:
        return self._at + (asyncio.get_running_loop().time() - self._since) * self.rate

    def set(self, text: str) -> None:
        self._at = berlin(text)
        self._since = asyncio.get_running_loop().time()


async def woken(scaler: CronScaler, wall: Wall, times: int) -> list[tuple[float, Reading]]:
    """Return when it woke, on the wall clock, and what it read then."""
    found = []
    async for _ in scaler.wakeups():
        found.append((wall(), await scaler.read()))
        if len(found) == times:
            break
    return found


def run(timeline: Callable[..., Any], *arguments: Any) -> Any:
    return virtual_time.run(timeline(*arguments))


@pytest.mark.parametrize(
    "rate", [pytest.param(1.0, id="together"), pytest.param(0.999, id="slow"), pytest.param(1.0007, id="fast")]
)
def test_it_wakes_at_the_minute_whatever_the_timers_think(rate: float) -> None:
    async def timeline() -> list[tuple[float, Reading]]:
        wall = Wall("2026-03-02T07:30", rate=rate)
        return await woken(CronScaler(CronConfig.model_validate(PARAMETERS), wall), wall, 2)

    (opened_at, opened), (closed_at, closed) = run(timeline)
    assert berlin("2026-03-02T08:00") - MICROSECOND_S <= opened_at < berlin("2026-03-02T08:00") + 0.002
    assert berlin("2026-03-02T18:00") - MICROSECOND_S <= closed_at < berlin("2026-03-02T18:00") + 0.002
    assert opened == Reading(5.0, active=True, changes_at=berlin("2026-03-02T18:00"), changes_zone="Europe/Berlin")
    assert closed == Reading(0.0, active=False, changes_at=berlin("2026-03-03T08:00"), changes_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("moment", "value"),
    [("07:59:59.999999", 0.0), ("08:00:00", 5.0), ("17:59:59.999999", 5.0), ("18:00:00", 0.0)],
)
def test_a_read_at_the_boundary_belongs_to_its_side(moment: str, value: float) -> None:
    async def timeline() -> Reading:
        scaler = CronScaler(CronConfig.model_validate(PARAMETERS), lambda: berlin(f"2026-03-02T{moment}"))
        return await scaler.read()

    assert run(timeline).value == value


def test_a_clock_that_is_set_is_noticed_within_a_second_both_ways() -> None:
    async def timeline() -> tuple[list[float], list[float | None]]:
        wall = Wall("2026-03-02T06:00")
        scaler = CronScaler(CronConfig.model_validate(PARAMETERS), wall)
        wakeups = scaler.wakeups()
        delays, values = [], []
        for text in ("2026-03-02T12:00", "2026-03-02T07:00", "2026-03-04T09:00"):
            waiting = asyncio.ensure_future(anext(wakeups))
            await asyncio.sleep(30.4)
            assert not waiting.done()
            wall.set(text)
            set_at = asyncio.get_running_loop().time()
            await waiting
            delays.append(asyncio.get_running_loop().time() - set_at)
            values.append((await scaler.read()).value)
        return delays, values

    delays, values = run(timeline)
    assert max(delays) <= 1.0
    assert values == [5.0, 0.0, 5.0]


def refused(**changes: str) -> str:
    with pytest.raises(ValidationError) as caught:
        CronConfig.model_validate({**PARAMETERS, **changes})
    return str(caught.value)


def test_what_is_no_window_is_refused_with_the_reason() -> None:
    assert "Sunday is 0" in refused(start="0 8 * * 7")
    assert "five fields" in refused(end="@daily")
    assert "time zone" in refused(timezone="Europe/Bern")
    assert "time zone" in refused(timezone="../Berlin")
    assert "time zone" in refused(timezone="Europe")
    assert "above 0" in refused(desiredReplicas="0")
    assert "not the start" in refused(end="0  8 * * 1-5")


def test_a_count_cannot_be_meant_as_a_ratio() -> None:
    assert CronScaler.metric_types == {MetricType.AVERAGE_VALUE}


def test_equal_texts_in_different_zones_are_a_window() -> None:
    CronConfig.model_validate({**PARAMETERS, "start": "TZ=Asia/Tokyo 0 8 * * *", "end": "0 8 * * *"})

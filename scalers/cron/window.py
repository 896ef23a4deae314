"""The `cron` trigger: a number of replicas inside a window of time, none outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Self

from pydantic import Field, field_validator, model_validator

from scaler.model import MetricType, Reading
from scaler.ports.connections import Connections
from scaler.ports.parameters import PositiveInteger
from scaler.ports.scaler import PushScaler, ScalerConfig
from scalers.cron.schedule import Phase, Schedule, find_zone, phase

# How long a clock that was set, or a machine that slept, can stay unnoticed.
_SLICE_S = 1.0


class CronConfig(ScalerConfig):
    """Parameters of the `cron` trigger."""

    start: str = Field(description="when the window opens: minute, hour, day of month, month, day of week")
    end: str = Field(description="when the window closes, in the same five fields")
    timezone: str = Field(description="IANA name of the time zone of both, such as Europe/Berlin")
    desired_replicas: PositiveInteger = Field(
        validation_alias="desiredReplicas", description="replicas inside the window"
    )

    @field_validator("timezone")
    @classmethod
    def _check_zone(cls, name: str) -> str:
        find_zone(name)
        return name

    @field_validator("start", "end")
    @classmethod
    def _check_schedule(cls, text: str) -> str:
        Schedule.parse(text, find_zone("UTC"))
        return text

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        start, end = self.schedules()
        if start == end:
            raise ValueError("expected an end that is not the start")
        return self

    def schedules(self) -> tuple[Schedule, Schedule]:
        """Return start and end."""
        zone = find_zone(self.timezone)
        return Schedule.parse(self.start, zone), Schedule.parse(self.end, zone)

    def target(self) -> float:
        """Return 1: the value is the count itself."""
        return 1

    def activation(self) -> float:
        """Return 0; the scaler says itself when it is active."""
        return 0


class CronScaler(PushScaler[CronConfig]):
    """A number of replicas inside a window of time.

    Reads:
        The machine's clock. The value is `desiredReplicas` inside the window and 0 outside, against a target of 1 and
        with no tolerance, so that the count is reached exactly. It is inside when the next `end` is not after the next
        `start`. Windows that overlap are several triggers: the largest count wins.

        `start` and `end` have five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12 or `jan`-`dec`)
        and day of week (0-6 or `sun`-`sat`, Sunday is 0), each as `*`, `5`, `1-5`, `*/10`, `10-50/10` or a list such as
        `1,15`; `?` is `*`. Where both days are lists, either may match; where one is a star, both must. A prefix such
        as `TZ=Europe/Berlin` gives one of them a time zone of its own.

        When the clocks change, the schedule means what the wall clock shows: a minute that is skipped does not come on
        that day, and one that is repeated comes twice. So a window whose start is skipped counts as open from the end
        before; choose a start outside the hour of the change.
    Active:
        Inside the window.
    Push:
        It wakes at the minute itself, by the wall clock. The replicas of a window that has ended go after
        `cooldownPeriod`, or after the scale-down window where others remain.
    Errors:
        None while it runs. A schedule, a zone or a count that is not one is refused with the manifest.
    Differences from KEDA:
        | KEDA | here |
        |---|---|
        | within 10 % of the count is near enough | the count is exact |
        | polls, so that it is late by up to `pollingInterval` | wakes at the minute |
        | an unknown time zone fails once the trigger is read | refused with the manifest |
        | a negative `desiredReplicas` is accepted | refused |
        | `metricType: Value` multiplies the count by the ready replicas, again and again | refused |
        | `*-5` is accepted and means `*` | refused |
        | equal texts of `start` and `end` are refused | so are texts that mean the same minutes |
        | on a day on which half an hour is skipped, later hours may be passed over | they are not |
    """

    type = "cron"
    Config = CronConfig
    # A Value would multiply the count by the replicas that are there, at every decision anew.
    metric_types = frozenset({MetricType.AVERAGE_VALUE})
    exact = True

    def __init__(self, config: CronConfig, wall: Callable[[], float]) -> None:
        """Make it; `wall` returns the wall clock's seconds since the epoch."""
        self._desired = config.desired_replicas
        self._zone = config.timezone
        self._start, self._end = config.schedules()
        self._wall = wall
        self._closed = asyncio.Event()
        self._known: tuple[datetime, Phase] | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, config: CronConfig, connections: Connections) -> AsyncIterator[Self]:  # noqa: ARG003
        """Read the system's clock; nothing is connected."""
        scaler = cls(config, time.time)
        try:
            yield scaler
        finally:
            scaler._closed.set()

    async def read(self) -> Reading:
        """Tell what is wanted now, and until when."""
        now = self._phase()
        return Reading(
            value=float(self._desired if now.inside else 0),
            active=now.inside,
            changes_at=now.until.timestamp(),
            changes_zone=self._zone,
        )

    async def wakeups(self) -> AsyncIterator[None]:
        """Yield when the window opens or closes, and when the clock was set to where that is different."""
        before = self._phase()
        while not self._closed.is_set():
            # Timers count on the monotonic clock, and may be early by its resolution: the wall clock has the last word.
            left_s = before.until.timestamp() - self._wall()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _SLICE_S)):
                    await self._closed.wait()
            now = self._phase()
            if now != before:
                before = now
                yield

    def _phase(self) -> Phase:
        """Return the phase of this moment, looked up only when the last one does not reach it."""
        now = datetime.fromtimestamp(self._wall(), UTC)
        if self._known is None or not self._known[0] <= now < self._known[1].until:
            self._known = now, phase(self._start, self._end, now.replace(microsecond=0))
        return self._known[1]

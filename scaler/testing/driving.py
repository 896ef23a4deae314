"""Drives a scaler as an engine would: reads with a deadline, waits for wakeups in a task."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Self

import pytest
from pydantic import SecretStr

from scaler.model import Reading
from scaler.ports.errors import SourceUnavailable
from scaler.ports.scaler import PushScaler, Scaler, ScalerConfig

# What the engine would allow; generous, as a busy machine must not fail a suite.
DEADLINE_S = 60.0
POLL_S = 0.02
# How a client says that the server said nothing for so long that it gave the server up.
_LATE = re.compile(r"no answer|time-?d?[ -]?out", re.IGNORECASE)


class Wakeups:
    """Counts what `wakeups()` yields, in a task of its own."""

    def __init__(self, scaler: PushScaler[Any]) -> None:
        self.count = 0
        self._scaler = scaler
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="wakeups")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # whoever expects one asks `ended()`

    async def ended(self) -> None:
        """Wait for the end, raising what it ended with."""
        assert self._task is not None
        await self._task

    async def settle(self, quiet_s: float = 0.25) -> None:
        """Return once nothing woke for a while."""
        async with asyncio.timeout(DEADLINE_S):
            before = -1
            while before != self.count:
                before = self.count
                await asyncio.sleep(quiet_s)

    async def _run(self) -> None:
        async for _ in self._scaler.wakeups():
            self.count += 1


async def read(scaler: Scaler[Any]) -> Reading:
    """Read with the deadline that an engine would set; ask again who a busy machine kept from answering in time.

    A source that is to be silent is read by `scaler.read()` itself.
    """
    reading = await _read(scaler, again=lambda error: bool(_LATE.search(str(error))))
    assert reading.error is None
    assert reading.value is not None
    return reading


async def read_after_outage(scaler: Scaler[Any]) -> Reading:
    """Read until it works again."""
    return await _read(scaler, again=lambda _: True)


async def _read(scaler: Scaler[Any], *, again: Callable[[SourceUnavailable], bool]) -> Reading:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await scaler.read()
            except SourceUnavailable as error:
                if not again(error):
                    raise
                await asyncio.sleep(POLL_S)


def is_active(reading: Reading, config: ScalerConfig) -> bool:
    """Whether the engine would call the trigger active."""
    if reading.active is not None:
        return reading.active
    return reading.value is not None and reading.value > config.activation()


def needs(applies: bool, reason: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Skip the test that calls it where it does not apply."""
    if not applies:
        pytest.skip(reason)


def shown_secrets(config: ScalerConfig, text: str) -> list[str]:
    """Return the names of secret parameters whose values stand in a text."""
    return [
        name
        for name in type(config).model_fields
        if isinstance(value := getattr(config, name), SecretStr)
        and value.get_secret_value()
        and value.get_secret_value() in text
    ]

"""When a workload is next due."""

from __future__ import annotations

import asyncio
import math
import random

# Pushes must not make a workload read more often than this: a storm of messages is one wake-up. A tick by the interval
# is none of the storm, and a push right after it does not wait: it may be the request that wakes an app.
PUSH_GAP_S = 0.02
# Ticks of different workloads that fall this close together share one moment, so that their reads share a batch.
GRID_S = 0.05
# Each period is jittered by this part of the interval, so that services started together drift apart.
JITTER = 0.05


class Schedule:
    """Decides when one workload's loop wakes: by its interval, or at once by a push.

    The first tick is due immediately, the second after a random part of the interval, which spreads the workloads.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._grid_s = min(GRID_S, interval_s / 10)
        self._pushed = asyncio.Event()
        self._due: float | None = None
        self._last_pushed = -math.inf

    def pace(self, interval_s: float) -> None:
        """Go over to another interval; a tick that it makes due earlier comes earlier."""
        if interval_s == self._interval_s:
            return
        self._interval_s = interval_s
        self._grid_s = min(GRID_S, interval_s / 10)
        if self._due is not None:
            self._due = min(self._due, self._on_grid(asyncio.get_running_loop().time() + interval_s))

    def push(self) -> None:
        """Something may have come: wake as soon as the gap to the last push's wake-up allows."""
        self._pushed.set()

    async def wait(self) -> tuple[float, bool]:
        """Sleep until the next tick; return by how many seconds it is late, and whether a push caused it."""
        loop = asyncio.get_running_loop()
        if self._due is None:
            self._due = loop.time()
            self._advance(random.uniform(0, self._interval_s))  # noqa: S311 - spreads load
            return 0.0, False
        try:
            async with asyncio.timeout_at(self._due):
                await self._pushed.wait()
                earliest = self._last_pushed + PUSH_GAP_S
                if earliest > loop.time():
                    await asyncio.sleep(earliest - loop.time())
        except TimeoutError:
            pushed = False
            # Timers may fire a clock's resolution early.
            lateness_s = max(0.0, loop.time() - self._due)
        else:
            pushed = True
            lateness_s = 0.0
        self._pushed.clear()
        if pushed:
            self._last_pushed = loop.time()
        else:
            self._advance(self._interval_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - spreads load
        return lateness_s, pushed

    def _advance(self, period_s: float) -> None:
        """Move the due time on; a tick that was missed altogether is not made up for."""
        assert self._due is not None  # noqa: S101 - set by the first wait
        due = max(self._due + period_s, asyncio.get_running_loop().time())
        self._due = self._on_grid(due)

    def _on_grid(self, moment: float) -> float:
        return math.ceil(moment / self._grid_s) * self._grid_s

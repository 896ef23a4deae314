"""The system's clocks."""

from __future__ import annotations

import time


class SystemClock:
    """Wall time at the start, then advanced by the monotonic clock: a jump of the wall clock moves no window."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return seconds since the epoch that only move forward."""
        return self._offset + time.monotonic()

    def wall(self) -> float:
        """Return the wall clock's seconds since the epoch."""
        return time.time()

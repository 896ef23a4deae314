"""Time as the engine sees it."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that only moves forward, and the one on the wall."""

    def now(self) -> float:
        """Return seconds since the epoch, not disturbed by changes of the wall clock while the process runs.

        Decisions, windows and cooldowns use it: it starts from the wall clock, so that stored times keep their
        meaning over a restart, and then advances with the monotonic clock.
        """
        ...

    def wall(self) -> float:
        """Return the wall clock's seconds since the epoch; for schedules only."""
        ...

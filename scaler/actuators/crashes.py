"""When a replica that ended on its own is started again: Kubernetes' crash loop back-off."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CrashBackoff:
    """Seconds to wait before a restart in place.

    The first end is mended at once; the second in a row waits `first_s`, and each further one twice as long up to
    `maximum_s`. A run of `reset_after_s` makes the next end a first one again. The defaults are the kubelet's.
    """

    first_s: float = 10.0
    maximum_s: float = 300.0
    reset_after_s: float = 600.0

    def delay_s(self, ends_in_a_row: int) -> float:
        """Return the wait before the restart that follows this many ends in a row."""
        if ends_in_a_row <= 1:
            return 0.0
        doublings = min(ends_in_a_row - 2, 64)
        return float(min(self.first_s * 2**doublings, self.maximum_s))


@dataclass(slots=True)
class CrashHistory:
    """What is known about the ends of one replica since it was adopted."""

    ends_in_a_row: int = 0
    restarts: int = 0
    restart_at: float | None = None
    _last_ended: float | None = None

    def began(self, started_at: float | None) -> None:
        """Take note of a run: one that follows a known end is the restart that was waited for, and counted once.

        What asked the engine for it may have been cut off before it got the answer.
        """
        if self.restart_at is not None and started_at is not None and started_at > (self._last_ended or 0.0):
            self.restarts += 1
            self.restart_at = None

    def ended(self, started_at: float | None, ended_at: float | None, backoff: CrashBackoff) -> bool:
        """Take note of an end; returns False when this very run's end is known already.

        A run is known by its start: an engine that comes back may put the end of its containers at another moment.
        """
        run = started_at or 0.0
        if self._last_ended == run:
            return False
        self._last_ended = run
        if started_at is not None and (ended_at or time.time()) - started_at >= backoff.reset_after_s:
            self.ends_in_a_row = 0
        self.ends_in_a_row += 1
        return True

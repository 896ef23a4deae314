"""How long to wait before trying again."""

from __future__ import annotations

import random


class Backoff:
    """Doubles from `first_s` to `longest_s`, each delay jittered by up to a quarter, until `reset`."""

    def __init__(self, *, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    def next_delay(self) -> float:
        """Return the seconds to wait after one more failure."""
        # 2**30 s is far beyond any longest_s; the cap keeps the power from growing with an outage of days.
        delay = min(self._longest_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return delay * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        """Start over: it worked."""
        self._failures = 0

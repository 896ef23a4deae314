"""The rate of requests as Azure Container Apps states it: those of the past 15 seconds, divided by 15."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

WINDOW_S = 15.0


class Arrivals:
    """Totals of requests over time. Where a window begins between two of them, requests are taken as spread evenly."""

    def __init__(self) -> None:
        self._totals: deque[tuple[float, int]] = deque()

    def add(self, at_s: float, total: int) -> None:
        """Take in how many requests have come in all until a moment; earlier than the last one is ignored."""
        if self._totals and at_s <= self._totals[-1][0]:
            return
        if self._totals and total < self._totals[-1][1]:
            self._totals.clear()  # whoever counted began anew
        self._totals.append((at_s, total))
        # The youngest of those that are older than the window is where it begins.
        while len(self._totals) > 1 and self._totals[1][0] <= at_s - WINDOW_S:
            self._totals.popleft()

    def per_second(self) -> float:
        """Return the requests of the window that ends with the last total, divided by its full length."""
        if not self._totals:
            return 0.0
        at_s, total = self._totals[-1]
        return (total - self._total_at(at_s - WINDOW_S)) / WINDOW_S

    def _total_at(self, moment_s: float) -> float:
        for (before_s, before), (after_s, after) in pairwise(self._totals):
            if before_s <= moment_s < after_s:
                return before + (after - before) * (moment_s - before_s) / (after_s - before_s)
        return self._totals[0][1]

"""When one list of all queues is worth more than asking for each, and for how long it answers; no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What asking for one queue costs a broker, about. A list of all costs as much as it took last time, and is taken when
# more are asked for together than would cost the same.
_ONE_COSTS_S = 0.003
_FEWEST, _FEW_AT_FIRST, _MOST = 8, 32, 100
# A list answers later questions for as long as a few times what it took to get, within these bounds: so a broker with
# many queues spends a fixed part of its time on lists. Its statistics are 5 s old in any case.
_AGE_FACTOR = 4.0
_LEAST_AGE_S, _MOST_AGE_S = 0.25, 2.0
# A list may take longer than one queue: some seconds for 10,000.
_TIMEOUT_S = 20.0
_TIMEOUT_FACTOR = 5.0

Queue = Mapping[str, Any]


class Listing:
    """The latest list of the queues of a virtual host.

    Attributes:
        few: So many queues that are asked for together are asked for one by one.
        timeout_s: For the next list.
    """

    def __init__(self) -> None:
        self.few = _FEW_AT_FIRST
        self.timeout_s = _TIMEOUT_S
        self._queues: Mapping[str, Queue] = {}
        self._fresh_until = self._usable_until = float("-inf")
        self._answered = 0

    def take(self, queues: Mapping[str, Queue], *, took_s: float, now: float) -> None:
        """Remember a list, by name, that took so long."""
        self._queues = queues
        self._fresh_until = now + min(max(_LEAST_AGE_S, _AGE_FACTOR * took_s), _MOST_AGE_S)
        # While it is in demand it goes on answering until the next one is there.
        self._usable_until = self._fresh_until + 2 * took_s
        self._answered = 0
        self.few = round(min(max(_FEWEST, took_s / _ONE_COSTS_S), _MOST))
        self.timeout_s = max(_TIMEOUT_S, _TIMEOUT_FACTOR * took_s)

    def find(self, name: str, now: float) -> Queue | None:
        """Return the queue, where the list knows it and is new enough."""
        usable = now <= self._fresh_until or (now <= self._usable_until and self._answered > self.few)
        if not usable or name not in self._queues:
            return None
        self._answered += 1
        return self._queues[name]

    def is_due(self, now: float) -> bool:
        """Whether the next list is to be taken, for those whom this one answers."""
        return now > self._fresh_until

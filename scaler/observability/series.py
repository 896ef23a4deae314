"""A number over the last hour, in steps, in little memory."""

from __future__ import annotations

import math
from array import array

# An hour of quarters of a minute: 240 floats are 960 bytes.
STEP_S = 15
STEPS = 240
UNKNOWN = math.nan


def step_of(at: float) -> int:
    """Return the number of the step in which a moment lies, given in seconds since the epoch."""
    return int(at // STEP_S)


class Series:
    """The highest value of each step; a value holds until another one is put.

    The highest, for a burst that is over within a step shall be seen. `UNKNOWN` says that there is no value from now
    on; a step in which one was known shows that one. A moment before the latest counts as that.
    """

    __slots__ = ("_first", "_last", "_values")

    def __init__(self, at: float, value: float = UNKNOWN) -> None:
        self._values = array("f", [value])
        self._first = step_of(at)
        self._last = value

    def put(self, at: float, value: float) -> None:
        """Let it have this value from that moment on."""
        self._fill(step_of(at))
        self._last = value
        highest = self._values[-1]
        if math.isnan(highest) or value > highest:
            self._values[-1] = value

    def between(self, first: int, last: int) -> list[float | None]:
        """Return a value for each step from one to another, both included; None where it is unknown.

        Steps after the last that was put have its value; what is older than an hour before that is unknown.
        """
        values = self._values
        begun, ended = self._first, self._first + len(values)
        held = _known(self._last)
        return [
            None if step < begun else _known(values[step - begun]) if step < ended else held
            for step in range(first, last + 1)
        ]

    def _fill(self, step: int) -> None:
        """Have the values go as far as this step."""
        values = self._values
        missing = step - (self._first + len(values) - 1)
        if missing <= 0:
            return
        if missing > STEPS:  # the machine slept
            values[:] = array("f", [self._last])
            self._first = step
            return
        values.extend([self._last] * missing)
        if (surplus := len(values) - STEPS) > 0:
            del values[:surplus]
            self._first += surplus


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None

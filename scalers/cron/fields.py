"""The syntax of KEDA's schedules, spelled out for cronsim.

Both read five fields, and differ in what may stand in them: cronsim takes Sunday as 7, `L`, `#` and seconds, has no
`?`, and takes `1/3`, `1-1/3` and `*/2` in another way. What reaches cronsim are stars and lists of numbers, which mean
the same to both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TERM = re.compile(r"(?:(?P<all>[*?])|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>[0-9]+))?", re.ASCII)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def spell_out(self, text: str) -> str:
        """Return `*`, or the numbers with commas; empty terms mean nothing."""
        numbers: set[int] = set()
        star = False
        for term in filter(None, text.split(",")):
            if (match := _TERM.fullmatch(term)) is None:
                raise self._error()
            step = int(match["step"] or 1)
            # A star with a step is a list: it matters to days of month and of week, of which both must match where
            # one is a star, and any where both are lists.
            star = star or (match["all"] is not None and step == 1)
            numbers.update(self._numbers(match, step))
        if not numbers:
            raise self._error()
        return "*" if star else ",".join(map(str, sorted(numbers)))

    def _numbers(self, match: re.Match[str], step: int) -> range:
        if match["all"]:
            low, high = self.first, self.last
        else:
            low = self._number(match["low"])
            open_end = match["step"] is not None and match["high"] is None
            high = self.last if open_end else self._number(match["high"] or match["low"])
        if step == 0 or not self.first <= low <= high <= self.last:
            raise self._error()
        return range(low, high + 1, step)

    def _number(self, text: str) -> int:
        if text.lower() in self.names:
            return self.first + self.names.index(text.lower())
        if not text.isdecimal():
            raise self._error()
        return int(text)

    def _error(self) -> ValueError:
        return ValueError(f"expected a {self.name} from {self.first} to {self.last}, as *, 5, 1-5, */10 or 1,15")


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day of week (Sunday is 0)", 0, 6, tuple(_DAYS)),
)


def spell_out(schedule: str) -> str:
    """Return the same schedule as stars and lists of numbers.

    Raises:
        ValueError: It is none, with the field that is wrong.
    """
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        raise ValueError("expected five fields: minute, hour, day of month, month, day of week")
    return " ".join(field.spell_out(text) for field, text in zip(_FIELDS, fields, strict=True))

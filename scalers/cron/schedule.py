"""When a schedule falls due, and whether it is inside the window of two of them: pure functions of an instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from scalers.cron.fields import spell_out

_SECOND = timedelta(seconds=1)
# Windows that begin again at the very minute in which they end may never be over; after so many the search ends.
_LONGEST_CHAIN = 50


@dataclass(frozen=True, slots=True)
class Schedule:
    """Instants at which the wall clock of a zone shows certain minutes.

    An hour that the clock skips has none of them, and an hour that it shows twice has all of them twice.
    """

    fields: str
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo) -> Schedule:
        """Read KEDA's five fields; a prefix such as `TZ=Europe/Berlin` overrides the zone.

        Raises:
            ValueError: It is no schedule, or one that never falls due.
        """
        prefix, _, rest = text.strip().partition(" ")
        name, _, key = prefix.partition("=")
        if name in {"TZ", "CRON_TZ"}:
            text, zone = rest, find_zone(key)
        fields = spell_out(text)
        try:
            CronSim(fields, datetime.min)  # noqa: DTZ901 - whether it can fall due at all depends on no instant
        except CronSimError:
            raise ValueError("expected a day that some month has") from None
        return cls(fields, zone)

    def after(self, instant: datetime) -> datetime:
        """Return the first instant after another one."""
        return min(self._around(instant, sign=1))

    def before(self, instant: datetime) -> datetime:
        """Return the last instant before another one."""
        return max(self._around(instant, sign=-1))

    def _around(self, instant: datetime, *, sign: int) -> list[datetime]:
        """Return the nearest instants in one direction, the very nearest among them.

        cronsim walks along the wall clock without a zone, for with one it has cron's own notion of what a skipped or
        repeated hour means. A minute that is shown twice can lie behind on the wall clock and yet be to come, so that
        the walk begins as far back as the clock is set back.
        """
        wall = instant.astimezone(self.zone)
        repeated = wall.replace(fold=0).astimezone(UTC) - wall.replace(fold=1).astimezone(UTC)
        here = wall.replace(tzinfo=None)
        found: list[datetime] = []
        for local in CronSim(self.fields, here + sign * min(repeated, timedelta(0)), reverse=sign < 0):
            for fold in (0, 1):
                due = local.replace(tzinfo=self.zone, fold=fold).astimezone(UTC)
                shown = due.astimezone(self.zone).replace(tzinfo=None) == local
                if shown and (due - instant) * sign > timedelta(0):
                    found.append(due)
            if found and (local - here) * sign > timedelta(0):
                break
        return found


@dataclass(frozen=True, slots=True)
class Phase:
    """Whether it is inside a window, and until when that stays so.

    Attributes:
        inside: The next end is not after the next start.
        until: The first instant after at which that is different, or has to be looked at again.
    """

    inside: bool
    until: datetime


@lru_cache(maxsize=1024)
def phase(start: Schedule, end: Schedule, instant: datetime) -> Phase:
    """Return the phase of a window at an instant.

    Instants of one second have the same phase: ask for whole ones, so that equal windows are looked up once.

    Inside, the next end is not after the next start: so it stays until the last end before the next start. Outside,
    the next start comes first: so it stays until the last start before the next end.
    """
    next_start, next_end = start.after(instant), end.after(instant)
    if next_start < next_end:
        return Phase(inside=False, until=start.before(next_end))
    for _ in range(_LONGEST_CHAIN):
        until = end.before(next_start + _SECOND)
        next_start, next_end = start.after(until), end.after(until)
        if next_start < next_end:
            break
    return Phase(inside=True, until=until)


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises:
        ValueError: There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("expected the name of a time zone as the IANA lists it, such as Europe/Berlin") from None

"""A schedule falls due when the wall clock shows its minutes; a window changes when it says."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalers.cron.schedule import Phase, Schedule, find_zone, phase

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
# Instants close before the clocks change: an hour, half an hour, at midnight, and once a whole day that is skipped.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 28, 22, 0, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 24, 22, 0, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 3, 0, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 12, 0, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 12, 0, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 9, 5, 20, 0, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 4, 4, 20, 0, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 5, 0, tzinfo=UTC)),
    ("Etc/UTC", datetime(2026, 1, 1, tzinfo=UTC)),
]

fields = st.one_of(
    st.just(("*", None)),
    st.tuples(st.sampled_from(["*/15", "7,30,45", "0", "15", "30-33"]), st.none()),
).map(lambda pair: pair[0])
hours = st.sampled_from(["*", "0", "1", "2", "3", "4", "23", "0-3", "*/2", "1,3"])
specs = st.builds("{} {} * * *".format, fields, hours)


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def shown(spec: str, zone: str, begin: datetime, days: int) -> list[datetime]:
    """Return the minutes at which the zone's wall clock shows the schedule, found by looking at each of them."""
    schedule = Schedule.parse(spec, find_zone(zone))
    allowed = [
        None if field == "*" else {int(number) for number in field.split(",")} for field in schedule.fields.split()
    ]
    found = []
    for number in range(days * 24 * 60):
        instant = begin + number * MINUTE
        wall = instant.astimezone(ZoneInfo(zone))
        if all(
            numbers is None or is_ in numbers for numbers, is_ in zip(allowed, (wall.minute, wall.hour), strict=False)
        ):
            found.append(instant)
    return found


@settings(max_examples=30)
@given(spec=specs, change=st.sampled_from(CHANGES), offset_s=st.integers(0, 14 * 3600))
def test_it_falls_due_whenever_the_wall_clock_shows_it(spec: str, change: tuple[str, datetime], offset_s: int) -> None:
    zone, begin = change
    instants = shown(spec, zone, begin - 2 * DAY, 5)
    schedule = Schedule.parse(spec, find_zone(zone))
    now = begin + timedelta(seconds=offset_s)
    assert schedule.after(now) == min(instant for instant in instants if instant > now)
    assert schedule.before(now) == max(instant for instant in instants if instant < now)


# Of minutes, as many as a phase looks at in one go: several days.
MOST_STEPS = 100


@settings(max_examples=20, deadline=None)
@given(start=specs, end=specs, change=st.sampled_from(CHANGES), offset_s=st.integers(0, 14 * 3600))
def test_a_phase_lasts_until_it_says_and_no_longer(
    start: str, end: str, change: tuple[str, datetime], offset_s: int
) -> None:
    zone, begin = change
    first, second = Schedule.parse(start, find_zone(zone)), Schedule.parse(end, find_zone(zone))
    now = begin + timedelta(seconds=offset_s)
    found = phase(first, second, now)
    due = sorted({*shown(start, zone, begin, 3), *shown(end, zone, begin, 3)})
    within = [instant for instant in due if now < instant < found.until]
    for instant in (*within[:3], *within[-3:], found.until - timedelta(milliseconds=1)):
        assert phase(first, second, instant).inside is found.inside
    always = {*shown(start, zone, begin, 3)} <= {*shown(end, zone, begin, 3)}
    # Where starts and ends coincide minute after minute, it says in steps how long that lasts.
    last, steps = phase(first, second, found.until), 1
    while found.inside and last.inside and not always and steps < MOST_STEPS:
        last, steps = phase(first, second, last.until), steps + 1
    assert last.inside is not found.inside or always


@pytest.mark.parametrize(
    ("spec", "zone", "now", "expected"),
    [
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-30T02:30", id="skipped"),
        pytest.param("0 0 * * *", "America/Santiago", "2026-09-05T12:00", "2026-09-07T00:00", id="skipped-midnight"),
        pytest.param("0 4 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", "2026-10-04T04:00", id="half-an-hour"),
        pytest.param("0 0 31 * *", "UTC", "2026-01-31T00:00", "2026-03-31T00:00", id="day-31"),
        pytest.param("0 0 29 2 *", "UTC", "2026-01-01T00:00", "2028-02-29T00:00", id="leap-day"),
        pytest.param("0 0 13 * 5", "UTC", "2026-01-01T00:00", "2026-01-02T00:00", id="either-day"),
        pytest.param("0 0 */13 * 5", "UTC", "2026-01-02T00:00", "2026-01-09T00:00", id="a-step-is-a-list"),
        pytest.param("0 0 ? * 5", "UTC", "2026-01-02T00:00", "2026-01-09T00:00", id="question-mark"),
        pytest.param("0 0 * * 1/3", "UTC", "2026-01-01T00:00", "2026-01-05T00:00", id="step-ends-on-saturday"),
        pytest.param("1-1/20 5 * * *", "UTC", "2026-01-01T05:01", "2026-01-02T05:01", id="step-in-one"),
        pytest.param("*/70 * * * *", "UTC", "2026-01-01T05:01", "2026-01-01T06:00", id="long-step"),
        pytest.param("1,,2 * * * *", "UTC", "2026-01-01T05:01", "2026-01-01T05:02", id="empty-term"),
        pytest.param("0 8 * jan-Mar MON", "UTC", "2026-03-31T00:00", "2027-01-04T08:00", id="names"),
    ],
)
def test_next(spec: str, zone: str, now: str, expected: str) -> None:
    assert Schedule.parse(spec, find_zone(zone)).after(at(now, zone)) == at(expected, zone)


def test_a_repeated_hour_comes_twice() -> None:
    schedule = Schedule.parse("30 2 * * *", find_zone("Europe/Berlin"))
    first = schedule.after(at("2026-10-25T00:00", "Europe/Berlin"))
    second = schedule.after(first)
    assert (first, second - first) == (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), timedelta(hours=1))
    assert schedule.before(second) == first


def test_a_prefix_gives_a_time_zone_of_its_own() -> None:
    for prefix in ("TZ", "CRON_TZ"):
        schedule = Schedule.parse(f"{prefix}=Asia/Tokyo 0 8 * * *", find_zone("UTC"))
        assert schedule.after(at("2026-01-01T00:00")) == at("2026-01-01T23:00")


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("0 8 * *", "five fields"),
        ("0 0 8 * * *", "five fields"),
        ("@daily", "five fields"),
        ("60 * * * *", "a minute from 0 to 59"),
        ("-30 * * * *", "a minute"),
        ("+3 * * * *", "a minute"),
        ("* 24 * * *", "an? hour"),
        ("* * 0 * *", "day of month"),
        ("* * L * *", "day of month"),
        ("* * * 13 *", "month"),
        ("* * * * 7", "Sunday is 0"),
        ("* * * * 1#2", "Sunday is 0"),
        ("* * * * jan", "day of week"),
        ("9-5 * * * *", "minute"),
        ("*/0 * * * *", "minute"),
        ("*-5 * * * *", "minute"),
        (", * * * *", "minute"),
        ("0 0 30 2 *", "some month has"),
        ("TZ=Nowhere/City 0 0 * * *", "time zone"),
        ("\u0663 * * * *", "minute"),
    ],
)
def test_what_is_no_schedule_is_refused_by_field(spec: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Schedule.parse(spec, find_zone("UTC"))


@pytest.mark.parametrize(
    ("start", "end", "inside", "until"),
    [
        pytest.param("0 8 * * *", "0 18 * * *", True, "2026-01-05T18:00", id="day"),
        pytest.param("0 20 * * *", "0 6 * * *", False, "2026-01-05T20:00", id="night"),
        pytest.param("0 8,14 * * *", "0 18 * * *", False, "2026-01-05T14:00", id="the-last-start-counts"),
        pytest.param("0 8 * * *", "0 15,18 * * *", True, "2026-01-05T18:00", id="the-last-end-counts"),
        pytest.param("* * * * *", "0 0 1 1 *", False, "2026-12-31T23:59", id="a-start-each-minute"),
        pytest.param("1 0 1 1 *", "*/2 * * * *", True, "2027-01-01T00:00", id="an-end-every-other-minute"),
    ],
)
def test_phase(start: str, end: str, inside: bool, until: str) -> None:  # noqa: FBT001 - a table
    utc = find_zone("UTC")
    found = phase(Schedule.parse(start, utc), Schedule.parse(end, utc), at("2026-01-05T12:00"))
    assert found == Phase(inside, at(until))


def test_windows_that_follow_each_other_without_a_break_are_one() -> None:
    utc = find_zone("UTC")
    start, end = Schedule.parse("0 8,12 * * *", utc), Schedule.parse("0 12,18 * * *", utc)
    assert phase(start, end, at("2026-01-05T09:00")) == Phase(inside=True, until=at("2026-01-05T18:00"))


def test_a_window_that_never_closes_is_looked_at_again() -> None:
    utc = find_zone("UTC")
    start, end = Schedule.parse("0 * * * *", utc), Schedule.parse("0 0-23 * * *", utc)
    found = [phase(start, end, at("2026-01-05T09:00") + number * DAY) for number in range(3)]
    assert all(each.inside for each in found)
    assert all(before.until < after.until for before, after in pairwise(found))

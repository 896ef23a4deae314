"""What the decision remembers from one tick to the next; survives a restart in the state store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A count that the triggers wanted, before stabilization and limits, and when."""

    at: float
    replicas: int


@dataclass(frozen=True, slots=True)
class ScaleEvent:
    """A change that was decided: positive when replicas were added, negative when removed.

    `total` is the sum of all changes up to and including this one, so that the change within any period is one
    subtraction, however many events there are.
    """

    at: float
    change: int
    total: int


class FlightSecond(NamedTuple):
    """Requests in flight within one second of the clock; the newest one may still be open.

    Attributes:
        second: Its number, whole seconds of the decision's clock.
        request_seconds: Their number, summed over the time that is known.
        known_s: How much of the second that is; what it leaves out is not taken for zero.
    """

    second: int
    request_seconds: float
    known_s: float


@dataclass(frozen=True, slots=True)
class ConcurrencyState:
    """Memory of one trigger on requests in flight.

    Attributes:
        seconds: What was in flight within the stable window, oldest first; empty for a workload at rest.
        in_flight: The number last read.
        read_at: When that was; None when it was not read last time, or before a restart.
        panic_since: When the panic window last wanted far more than was ready; None while not panicking.
        panic_replicas: The highest count wanted since that began.
        delay: Counts that can still be the highest of the scale-down delay, oldest first, falling.
    """

    seconds: tuple[FlightSecond, ...] = ()
    in_flight: float = 0.0
    read_at: float | None = None
    panic_since: float | None = None
    panic_replicas: int = 0
    delay: tuple[Recommendation, ...] = ()


@dataclass(frozen=True, slots=True)
class DecisionState:
    """Memory of one workload. All times are in the seconds that `decide` is given as `now`.

    The two windows keep only what can still matter: a recommendation that a later one makes irrelevant is dropped, so
    they hold at most one entry per replica count, however often the sources are read.

    Attributes:
        created_at: When the workload was first seen; the initial cooldown counts from here.
        last_active_at: When a trigger was last active; None when never.
        decided_at: When the last decision was taken; None before the first.
        windows_since: When the windows began, with the present count as their first recommendation; None before the
            first decision, and while paused.
        highest: Recommendations that can still be the highest of the scale-down window, oldest first, falling.
        lowest: Recommendations that can still be the lowest of the scale-up window, oldest first, rising.
        events: Changes within the longest rate-limit period, oldest first.
        failures: Failed readings in a row by trigger name; a trigger that last succeeded is absent.
        concurrency: What triggers on requests in flight remember, by name; absent until first read.
    """

    created_at: float
    last_active_at: float | None = None
    decided_at: float | None = None
    windows_since: float | None = None
    highest: tuple[Recommendation, ...] = ()
    lowest: tuple[Recommendation, ...] = ()
    events: tuple[ScaleEvent, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    concurrency: Mapping[str, ConcurrencyState] = field(default_factory=dict)

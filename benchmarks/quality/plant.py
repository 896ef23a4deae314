"""The simulated fleet: replicas that take time to start, work that takes time, one queue, first come first served.

Discrete events, no clock and no chance of its own: the same trace and policy give the same outcome. A replica costs
from when it is asked for until it is gone. Fewer replicas: those that are not ready go first, then the newest; one that
is busy takes nothing more and goes with its last piece of work.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from benchmarks.quality.traces import Trace


@dataclass(frozen=True, slots=True)
class View:
    """What a policy gets to see.

    Attributes:
        now: Seconds since the trace began.
        in_system: Pieces of work that wait or are served; None when the source cannot be read.
        counted: Those of them that the source counts.
        mean: The average of all over the time since the policy last looked; None likewise, and over no time.
        spec: Replicas asked for.
        ready: Replicas that serve.
    """

    now: float
    in_system: int | None
    counted: int | None
    mean: float | None
    spec: int
    ready: int


class Policy(Protocol):
    """Decides a count at moments of its own choice."""

    wakes_after_s: float | None
    """Work that arrives while no replica is asked for has it look so soon; None: it has to come by itself."""

    def begin(self) -> float:
        """Return when it first looks."""

    def act(self, view: View) -> tuple[int, float]:
        """Return the count to have, and when it looks again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trace.

    Attributes:
        waits: Seconds from arrival to the beginning of service, by piece of work.
        replica_seconds: What it cost.
        course: The counts asked for, each with the moment from which on.
        ended_at: When the last piece was done, or the trace was over.
    """

    waits: list[float]
    replica_seconds: float
    course: list[tuple[float, int]]
    ended_at: float

    @property
    def changes(self) -> int:
        """How often the count changed."""
        return len(self.course) - 1

    @property
    def peak(self) -> int:
        """The highest count."""
        return max(count for _, count in self.course)

    def misses(self, slo_s: float) -> int:
        """Return how many waited too long."""
        return sum(wait > slo_s for wait in self.waits)


class _State(Enum):
    STARTING = auto()
    READY = auto()
    LEAVING = auto()
    GONE = auto()


@dataclass(slots=True)
class _Replica:
    begun_at: float
    state: _State = _State.STARTING
    busy: int = 0
    offered: bool = False


class _Fleet:
    """The replicas and the queue in front of them."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._slots = trace.work.slots
        self._starts: Iterator[float] = trace.starts()
        self._replicas: list[_Replica] = []
        self._staying: list[int] = []
        self._free: list[int] = []
        self._waiting: deque[int] = deque()
        self.coming: list[tuple[float, int, int, bool]] = []  # when, which replica, tie-break; done or ready
        self.waits = [math.inf] * len(trace.arrivals)
        self.cost = 0.0
        self.in_system = 0
        self.idle_since = 0.0
        self._area, self._area_at = 0.0, 0.0
        self._events = 0

    @property
    def spec(self) -> int:
        return len(self._staying)

    @property
    def ready(self) -> int:
        return sum(self._replicas[number].state is _State.READY for number in self._staying)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def area(self, now: float) -> float:
        """Return the integral over time of the work in the system."""
        self._area += self.in_system * (now - self._area_at)
        self._area_at = now
        return self._area

    def arrive(self, piece: int, now: float) -> None:
        self.area(now)
        self.in_system += 1
        self._waiting.append(piece)
        self._serve(now)

    def happen(self) -> None:
        """Let the next event of a replica happen."""
        now, number, _, done = heapq.heappop(self.coming)
        replica = self._replicas[number]
        if done:
            self.area(now)
            self.in_system -= 1
            self.idle_since = now
            replica.busy -= 1
            if replica.state is _State.LEAVING:
                if not replica.busy:
                    self._end(replica, now)
                return
        elif replica.state is _State.STARTING:
            replica.state = _State.READY
        else:
            return  # it was taken away before it was ready
        self._offer(number)
        self._serve(now)

    def resize(self, count: int, now: float) -> None:
        while len(self._staying) < count:
            number = len(self._replicas)
            self._replicas.append(_Replica(now))
            self._staying.append(number)
            self._later(now + next(self._starts), number, done=False)
        surplus = len(self._staying) - count
        if surplus <= 0:
            return
        newest_first = sorted(self._staying, key=lambda number: (self._replicas[number].state is _State.READY, -number))
        for number in newest_first[:surplus]:
            self._staying.remove(number)
            replica = self._replicas[number]
            if replica.busy:
                replica.state = _State.LEAVING
            else:
                self._end(replica, now)

    def close(self, now: float) -> None:
        for replica in self._replicas:
            if replica.state is not _State.GONE:
                self._end(replica, now)

    def _end(self, replica: _Replica, now: float) -> None:
        replica.state = _State.GONE
        self.cost += now - replica.begun_at

    def _offer(self, number: int) -> None:
        replica = self._replicas[number]
        if not replica.offered:
            replica.offered = True
            heapq.heappush(self._free, number)

    def _serve(self, now: float) -> None:
        """Give what waits to replicas with a free slot, the oldest of them first."""
        waiting, free, arrivals = self._waiting, self._free, self._trace.arrivals
        while waiting and free:
            number = free[0]
            replica = self._replicas[number]
            if replica.state is not _State.READY or replica.busy >= self._slots:
                replica.offered = False
                heapq.heappop(free)
                continue
            piece = waiting.popleft()
            self.waits[piece] = now - arrivals[piece]
            replica.busy += 1
            self._later(now + self._trace.services[piece], number, done=True)

    def _later(self, at: float, number: int, *, done: bool) -> None:
        self._events += 1
        heapq.heappush(self.coming, (at, number, self._events, done))


def run(trace: Trace, policy: Policy) -> Outcome:
    """Return what comes of a trace under a policy, until all work is done and the trace is over."""
    fleet = _Fleet(trace)
    course = [(0.0, 0)]
    acts_at = policy.begin()
    looked_at = looked_area = 0.0
    arrived, total = 0, len(trace.arrivals)
    while True:
        next_arrival = trace.arrivals[arrived] if arrived < total else math.inf
        next_event = fleet.coming[0][0] if fleet.coming else math.inf
        now = min(next_arrival, next_event, acts_at)
        if now >= trace.duration_s and arrived == total and not fleet.in_system:
            break
        if next_event <= now:
            fleet.happen()
        elif next_arrival <= now:
            fleet.arrive(arrived, now)
            arrived += 1
            if not fleet.spec and policy.wakes_after_s is not None:
                acts_at = min(acts_at, now + policy.wakes_after_s)
        else:
            seen = counted = mean = None
            if trace.readable(now):
                seen = fleet.in_system
                counted = seen if trace.work.in_progress else fleet.waiting
                area = fleet.area(now)
                if now > looked_at:
                    mean = (area - looked_area) / (now - looked_at)
                looked_at, looked_area = now, area
            count, acts_at = policy.act(View(now, seen, counted, mean, fleet.spec, fleet.ready))
            if count != fleet.spec:
                fleet.resize(count, now)
                course.append((now, count))
    ended_at = max(trace.duration_s, fleet.idle_since)
    fleet.close(ended_at)
    return Outcome(fleet.waits, fleet.cost, course, ended_at)

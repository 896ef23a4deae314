"""Loads by formula and seed: when work arrives, how long each piece takes, how long replicas take to start.

A trace's load is the number of replicas that it would keep wholly busy, as a function of time; arrivals are a Poisson
process of that rate. All policies get the same pieces of work and the same start times, in the same order.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

QUIET_S = 600.0  # at the end of each trace nothing arrives, so that what stays up after the work is paid for
_GRAIN_S = 1.0  # the load stands still for so long

Load = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Work:
    """What a piece of work is, and what serves it.

    Attributes:
        name: Of the kind.
        service_s: Mean service time; lognormal.
        spread: Sigma of its logarithm.
        slots: Pieces that one replica serves at a time.
        target: What the manifest calls the load of one replica: items, or requests in flight.
        slo_s: Waiting longer than this is a miss.
        scale: What every load is multiplied by.
        by_requests: It comes through the ingress, which counts it; else a queue is asked.
        in_progress: The source counts what is being worked on too, not only what waits.
    """

    name: str
    service_s: float
    spread: float
    slots: int
    target: int
    slo_s: float
    scale: float = 1.0
    by_requests: bool = False
    in_progress: bool = True


# A RabbitMQ queue by its management API. 5 is KEDA's default for lists; with jobs of 4 s that accepts a
# wait of 5 x 4 s, and half as much again is a miss.
QUEUE = Work("queue", service_s=4.0, spread=0.5, slots=1, target=5, slo_s=30.0)
# The same where the source counts only what waits: a Redis list, from which workers take what they begin.
LIST = Work("list", service_s=4.0, spread=0.5, slots=1, target=5, slo_s=30.0, in_progress=False)
# Azure's default of 10 concurrent requests, which is also what a replica can do at a time.
HTTP = Work("http", service_s=1.0, spread=0.5, slots=10, target=10, slo_s=2.0, scale=0.4, by_requests=True)
KINDS = (QUEUE, LIST, HTTP)

# A container on a host that has its image: median 3 s, nine of ten within 1.8 to 5 s.
_START_MEDIAN_S, _START_SPREAD, _START_MOST_S = 3.0, 0.4, 15.0


@dataclass(frozen=True, slots=True)
class Trace:
    """One load, drawn.

    Attributes:
        name: Of its shape.
        work: What arrives.
        seed: That it was drawn with.
        duration_s: Its length, the quiet end included.
        arrivals: Seconds from the beginning, rising.
        services: Seconds that each takes.
        outages: When the source cannot be read.
    """

    name: str
    work: Work
    seed: int
    duration_s: float
    arrivals: Sequence[float]
    services: Sequence[float]
    outages: Sequence[tuple[float, float]] = ()

    def readable(self, now: float) -> bool:
        """Tell whether the source answers."""
        return not any(begin <= now < end for begin, end in self.outages)

    def starts(self) -> Iterator[float]:
        """Yield how long the first start takes, the second, and so on."""
        chance = _chance(self.seed, self.name, self.work.name, "starts")
        while True:
            yield min(_lognormal(chance, _START_MEDIAN_S, _START_SPREAD), _START_MOST_S)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a load goes.

    Attributes:
        name: Of the trace.
        busy_s: How long it lasts, the quiet end not included.
        load: Makes the load from a source of chance.
        formula: The same in words.
        outages: Makes the times when the source cannot be read.
    """

    name: str
    busy_s: float
    load: Callable[[random.Random], Load]
    formula: str
    outages: Sequence[tuple[float, float]] = ()


def _steps(_: random.Random) -> Load:
    return lambda t: (2.0, 10.0, 4.0, 16.0, 2.0)[int(t // 720) % 5]


def _diurnal(_: random.Random) -> Load:
    return lambda t: 8.0 - 7.0 * math.cos(2 * math.pi * t / 7200)


def _bursts(chance: random.Random) -> Load:
    at, begins = 0.0, []
    while (at := at + chance.expovariate(1 / 600)) < 3600:
        begins.append((at, chance.uniform(30.0, 90.0)))
    return lambda t: 1.0 + sum(height for begin, height in begins if begin <= t < begin + 10)


def _sawtooth(_: random.Random) -> Load:
    return lambda t: 12.0 * (t % 900) / 900


def _ramp(_: random.Random) -> Load:
    return lambda t: 20.0 * t / 3600


def _spiky(_: random.Random) -> Load:
    return lambda t: 10.0 if t % 1500 >= 1440 else 0.0


def _outages(_: random.Random) -> Load:
    return lambda t: 12.0 if t % 900 >= 600 else 3.0


def _noise(chance: random.Random) -> Load:
    levels = [5.0 * chance.uniform(0.7, 1.3) for _ in range(200)]
    return lambda t: levels[int(t // 20)]


def _flash(_: random.Random) -> Load:
    def load(t: float) -> float:
        since = t % 1800 - 600
        return 1.5 if since < 0 else 1.5 + 18.0 * min(since / 30, 1.0) * math.exp(-max(since - 30, 0) / 300)

    return load


def _batches(chance: random.Random) -> Load:
    sizes = [chance.uniform(5.0, 15.0) for _ in range(20)]
    return lambda t: sizes[int(t // 300)] if t % 300 < 120 else 0.5


def _sparse(_: random.Random) -> Load:
    return lambda _t: 0.006


SHAPES = (
    Shape("steps", 3600, _steps, "2, 10, 4, 16, 2 for 720 s each"),
    Shape("diurnal", 7200, _diurnal, "8 - 7 cos(2 pi t / 7200): a day in two hours"),
    Shape("bursts", 3600, _bursts, "1, and for 10 s each 30 to 90 more, exponentially 600 s apart"),
    Shape("sawtooth", 3600, _sawtooth, "12 (t mod 900) / 900"),
    Shape("ramp", 3600, _ramp, "20 t / 3600"),
    Shape("spiky", 6000, _spiky, "0, and 10 for the last 60 of every 1500 s"),
    Shape(
        "outages",
        3600,
        _outages,
        "3, and 12 for the last 300 of every 900 s; the source cannot be read for the first 60 s of these,"
        " and for the 60 s after them",
        tuple((at, at + 60.0) for k in range(4) for at in (900.0 * k + 600, 900.0 * k + 900) if at < 3600),
    ),
    Shape("noise", 3600, _noise, "5 times a factor of 0.7 to 1.3 that is drawn anew every 20 s"),
    Shape("flash", 3600, _flash, "1.5, and every 1800 s within 30 s up to 19.5, then falling by e every 300 s"),
    Shape("batches", 3600, _batches, "0.5, and for the first 120 of every 300 s 5 to 15, drawn anew each time"),
    Shape("sparse", 7200, _sparse, "0.006: a piece now and then"),
)


def draw(shape: Shape, work: Work, seed: int) -> Trace:
    """Return the trace of a shape, the same for the same seed."""
    load = shape.load(_chance(seed, shape.name, work.name, "load"))
    chance = _chance(seed, shape.name, work.name, "arrivals")
    arrivals: list[float] = []
    for step in range(int(shape.busy_s / _GRAIN_S)):
        begin = step * _GRAIN_S
        rate = load(begin) * work.scale * work.slots / work.service_s
        at = begin
        while rate > 0 and (at := at + chance.expovariate(rate)) < begin + _GRAIN_S:
            arrivals.append(at)
    chance = _chance(seed, shape.name, work.name, "services")
    median = work.service_s / math.exp(work.spread**2 / 2)
    services = [_lognormal(chance, median, work.spread) for _ in arrivals]
    return Trace(shape.name, work, seed, shape.busy_s + QUIET_S, arrivals, services, shape.outages)


def _lognormal(chance: random.Random, median: float, spread: float) -> float:
    return median * math.exp(chance.gauss(0.0, spread))


def _chance(*seed: object) -> random.Random:
    return random.Random(" ".join(map(str, seed)))  # noqa: S311 - loads are no secret

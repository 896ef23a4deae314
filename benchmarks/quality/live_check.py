"""Compares the simulated fleet with a real one on the same short load: counts over time, and waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.machine import percentile
from benchmarks.quality.plant import Outcome
from benchmarks.quality.traces import Trace

# The counts may differ by so much on average over time, as a part of the highest; waits by so many seconds.
COUNT_TOLERANCE, WAIT_TOLERANCE_S = 0.25, 3.0
START_S = 1.0


@dataclass(frozen=True, slots=True)
class Short(Trace):
    """Without the quiet minutes, and with the start of a local process."""

    def starts(self) -> Iterator[float]:
        """See `Trace`."""
        while True:
            yield START_S


def report(what: str, trace: Trace, simulated: Outcome, counts: list[int], waits: list[float]) -> None:
    """Print what the simulated fleet and the real one came to, and whether they are within the tolerances."""
    expected = [_at(simulated, second + 1.0) for second in range(len(counts))]
    apart = sum(abs(count - other) for count, other in zip(counts, expected, strict=True)) / len(counts)
    part = apart / max(*counts, *expected)
    print(f"live: {len(trace.arrivals)} {what} in {trace.duration_s:g} s; simulated / real")
    print(
        f"  counts: highest {max(expected)} / {max(counts)}, {apart:.2f} apart on average ({part:.0%} of the highest)"
    )
    gaps = []
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        pair = percentile(simulated.waits, share), percentile(waits, share)
        gaps.append(abs(pair[0] - pair[1]))
        print(f"  waits {name}: {pair[0]:.2f} s / {pair[1]:.2f} s")
    within = part <= COUNT_TOLERANCE and max(gaps) <= WAIT_TOLERANCE_S
    print(f"  {'within' if within else 'NOT within'} {COUNT_TOLERANCE:.0%} and {WAIT_TOLERANCE_S:g} s", flush=True)


def _at(outcome: Outcome, now: float) -> int:
    return [count for at, count in outcome.course if at <= now][-1]

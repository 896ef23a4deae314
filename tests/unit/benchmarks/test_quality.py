"""What compares policies: the simulated fleet by hand, the loads, and somebody who knows the future."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from benchmarks.quality import manifest
from benchmarks.quality.oracle import Oracle
from benchmarks.quality.plant import Outcome, Policy, View, run
from benchmarks.quality.policies import Given, Keda, Knative, Ours
from benchmarks.quality.traces import HTTP, LIST, QUEUE, SHAPES, Shape, Trace, Work, draw

ONE_AT_A_TIME = Work("test", service_s=1.0, spread=0.0, slots=1, target=1, slo_s=2.0)
SPIKES, BATCHES = (next(shape for shape in SHAPES if shape.name == name) for name in ("spiky", "batches"))


@dataclass(frozen=True, slots=True)
class ByHand(Trace):
    """A trace whose starts are given too."""

    each_start_s: float = 3.0

    def starts(self) -> Iterator[float]:
        """See `Trace`."""
        while True:
            yield self.each_start_s


def by_hand(arrivals: Sequence[float], services: Sequence[float], *, slots: int = 1) -> ByHand:
    return ByHand("by hand", replace(ONE_AT_A_TIME, slots=slots), 1, 100.0, arrivals, services)


def test_one_replica_serves_in_order_once_it_has_started() -> None:
    outcome = run(by_hand([0.0, 1.0, 20.0], [4.0, 2.0, 1.0]), Given.constant(1))
    assert outcome.waits == [3.0, 6.0, 0.0]
    assert outcome.replica_seconds == 100.0


def test_two_replicas_halve_a_queue() -> None:
    outcome = run(by_hand([0.0] * 4, [2.0] * 4), Given.constant(2))
    assert outcome.waits == [3.0, 3.0, 5.0, 5.0]


def test_one_replica_with_two_slots_serves_two_at_a_time() -> None:
    outcome = run(by_hand([0.0] * 4, [2.0] * 4, slots=2), Given.constant(1))
    assert outcome.waits == [3.0, 3.0, 5.0, 5.0]
    assert outcome.replica_seconds == 100.0


def test_a_replica_that_is_taken_away_ends_its_work_and_costs_until_then() -> None:
    outcome = run(by_hand([0.0, 0.0], [10.0, 10.0]), Given([(0.0, 2), (5.0, 1), (20.0, 0)]))
    assert outcome.waits == [3.0, 3.0]
    assert outcome.replica_seconds == 20.0 + 13.0


def test_a_start_that_is_called_off_serves_nothing() -> None:
    outcome = run(by_hand([0.0], [1.0]), Given([(0.0, 2), (1.0, 1), (50.0, 0)]))
    assert outcome.waits == [3.0]
    assert outcome.replica_seconds == 50.0 + 1.0


def test_a_policy_sees_what_the_source_counts_and_the_average_since_it_last_looked() -> None:
    seen: list[View] = []

    class Looking:
        wakes_after_s: float | None = None

        def begin(self) -> float:
            return 0.0

        def act(self, view: View) -> tuple[int, float]:
            seen.append(view)
            return 1, view.now + 4.0

    trace = by_hand([1.0, 1.0], [2.0, 2.0])
    run(replace(trace, work=replace(trace.work, in_progress=False), outages=((8.0, 12.0),)), Looking())
    # Ready at 3; the first is done at 5, the second at 7.
    assert [(view.in_system, view.counted, view.mean) for view in seen[:4]] == [
        (0, 0, None),
        (2, 1, 6.0 / 4),
        (None, None, None),
        (0, 0, 4.0 / 8),
    ]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_same_seed_makes_the_same_load(shape: Shape) -> None:
    trace = draw(shape, QUEUE, 7)
    assert trace == draw(shape, QUEUE, 7)
    assert trace.arrivals != draw(shape, QUEUE, 8).arrivals
    assert sorted(trace.arrivals) == trace.arrivals
    assert all(0 <= at < shape.busy_s for at in trace.arrivals)


def test_as_much_work_arrives_as_the_load_says() -> None:
    ramp = draw(next(shape for shape in SHAPES if shape.name == "ramp"), QUEUE, 1)
    # 20 replicas at the end of 3600 s, half of that on average; nearly 9,000 pieces of work are off by a percent or so.
    assert sum(ramp.services) == pytest.approx(10 * 3600, rel=0.05)


def policies(work: Work) -> list[Policy]:
    return [Ours(manifest.workload(work), 1), Keda(work, 1), Knative(work, 1)]


@pytest.mark.parametrize("work", [QUEUE, LIST, replace(HTTP, scale=0.2)], ids=lambda work: work.name)
def test_all_work_is_served_whatever_decides_and_none_pays_less_than_an_oracle(work: Work) -> None:
    trace = draw(SPIKES, work, 1)
    oracle = Oracle.of(trace)
    for policy in policies(work):
        outcome = run(trace, policy)
        assert all(wait < float("inf") for wait in outcome.waits)
        best = oracle.at_misses_of(outcome, work.slo_s)
        assert best.misses(work.slo_s) <= outcome.misses(work.slo_s)
        assert oracle.bound <= best.replica_seconds <= outcome.replica_seconds


def test_an_outcome_is_the_same_each_time() -> None:
    trace = draw(BATCHES, QUEUE, 3)
    once, again = (run(trace, Ours(manifest.workload(QUEUE), 3)) for _ in range(2))
    assert once == again


def test_who_knows_the_future_wastes_next_to_nothing() -> None:
    trace = draw(BATCHES, QUEUE, 1)
    oracle = Oracle.of(trace)
    best: Outcome = oracle.at_misses_of(run(trace, Given.constant(30)), QUEUE.slo_s)
    assert best.misses(QUEUE.slo_s) == 0
    assert best.replica_seconds < 1.15 * oracle.bound


def test_static_counts_cost_their_count() -> None:
    trace = draw(BATCHES, QUEUE, 1)
    assert run(trace, Given.constant(30)).replica_seconds == pytest.approx(30 * trace.duration_s)

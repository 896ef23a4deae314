"""The metrics of how scaling goes: what limited the count, what fails, and how long waking takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from scaler.model import Decision, Limit, Reason, Replica, ReplicaState, Rule, Workload
from scaler.observability.families import Families
from scaler.observability.scaling_metrics import ScalingMetrics

IDLE = Decision(0, 0, 0, active=False, reason=Reason.INACTIVE)
WOKEN = Decision(0, 0, 3, active=True, reason=Reason.ACTIVATED)


class Bench:
    """A recorder over a clock that the test sets."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.registry = CollectorRegistry()
        self.time = 100.0
        self.recorder = ScalingMetrics(Families(self.registry), now=lambda: self.time)
        self.recorder.workload_added(workload)

    def decide(self, decision: Decision) -> None:
        self.recorder.decided(self.workload, decision, duration_s=0)

    def observe(self, *states: ReplicaState) -> None:
        replicas = (Replica(str(number), "worker", "worker", "a", state) for number, state in enumerate(states))
        self.recorder.observed(self.workload, tuple(replicas))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"scaler_{name}", {"workload": "worker", **labels})


@pytest.fixture
def bench(workload: Workload) -> Bench:
    return Bench(workload)


def test_bounds_are_shown(bench: Bench) -> None:
    assert bench.value("workload_min_replicas") == 0
    assert bench.value("workload_max_replicas") == 10


def test_each_rule_that_changed_a_count_is_counted(bench: Bench) -> None:
    capped = replace(WOKEN, limits=(Limit(Rule.POLICIES_UP, 16, 12), Limit(Rule.MAX_REPLICAS, 12, 10)))
    bench.decide(capped)
    bench.decide(capped)
    bench.decide(replace(WOKEN, limits=(Limit(Rule.POLICIES_UP, 16, 4),)))
    assert bench.value("limits_total", rule="maxReplicaCount") == 2
    assert bench.value("limits_total", rule="scaleUp.policies") == 3


def test_at_maximum_means_that_more_was_wanted(bench: Bench) -> None:
    assert bench.value("workload_at_maximum") == 0
    bench.decide(replace(WOKEN, limits=(Limit(Rule.MAX_REPLICAS, 16, 10),)))
    assert bench.value("workload_at_maximum") == 1
    bench.decide(replace(WOKEN, current=10, desired=10))
    assert bench.value("workload_at_maximum") == 0


def test_a_wake_lasts_from_the_decision_to_the_first_replica_that_serves(bench: Bench) -> None:
    assert bench.value("wake_seconds_count") is None
    bench.decide(WOKEN)
    assert bench.value("wake_seconds_count") == 0  # a scrape now makes the first wake an increase
    bench.time += 1
    bench.observe(ReplicaState.STARTING)
    bench.decide(replace(WOKEN, current=3))
    bench.time += 2
    bench.observe(ReplicaState.STARTING, ReplicaState.READY)
    bench.time += 4
    bench.observe(ReplicaState.READY, ReplicaState.READY)
    assert bench.value("wake_seconds_count") == 1
    assert bench.value("wake_seconds_sum") == 3


def test_a_wake_that_was_called_off_is_none(bench: Bench) -> None:
    bench.decide(WOKEN)
    bench.decide(replace(IDLE, current=3))
    bench.observe(ReplicaState.READY)
    assert bench.value("wake_seconds_count") == 0


def test_replicas_that_are_added_to_others_are_no_wake(bench: Bench) -> None:
    bench.decide(replace(WOKEN, current=1))
    bench.observe(ReplicaState.READY)
    assert bench.value("wake_seconds_count") is None


def test_failing_lasts_until_recovery(bench: Bench) -> None:
    assert bench.value("workload_failing") == 0
    bench.recorder.actuation_failed(bench.workload, error="no such image")
    assert bench.value("workload_failing") == 1
    bench.recorder.actuation_recovered(bench.workload)
    assert bench.value("workload_failing") == 0


def test_reactions_add_up_by_workload(bench: Bench) -> None:
    for reaction_s in (0.25, None, 0.5):
        bench.recorder.actuated(bench.workload, started=1, stopped=0, failed=0, duration_s=1, reaction_s=reaction_s)
    assert bench.value("workload_reaction_seconds_count") == 2
    assert bench.value("workload_reaction_seconds_sum") == 0.75


def test_a_workload_that_went_leaves_nothing(bench: Bench) -> None:
    bench.decide(replace(WOKEN, limits=(Limit(Rule.MAX_REPLICAS, 16, 10),)))
    bench.recorder.workload_removed(bench.workload)
    assert [sample for family in bench.registry.collect() for sample in family.samples] == []

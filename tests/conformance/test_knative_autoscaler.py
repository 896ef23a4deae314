"""Knative's Scale(), ninety steps in a row: rates, panic, activation scale and the scale-down delay.

Its excess burst capacity is left out: it says when Knative's activator leaves the way of the requests. The ingress here
holds requests only while no replica is ready, whatever the load.
"""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scaler.decision.concurrency import autoscaler, delay
from scaler.model import ConcurrencyPolicy, Recommendation

UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance"
BASE = 1_700_000_000.0


def upstream(name: str) -> list[dict[str, Any]]:
    with gzip.open(UPSTREAM / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def rules_of(spec: dict[str, Any], delay_s: float) -> ConcurrencyPolicy:
    """Read a spec; what no route leads to falls without rate and delay, and has its policy say so."""
    reachable = spec["reachable"]
    return ConcurrencyPolicy(
        stable_window_s=spec["stable_window_s"],
        panic_threshold=spec["panic_threshold"],
        max_up_rate=spec["max_scale_up_rate"],
        max_down_rate=spec["max_scale_down_rate"] if reachable else math.inf,
        scale_down_delay_s=delay_s if reachable else 0.0,
        activation_scale=spec["activation_scale"],
    )


def check_steps(name: str, cases: list[dict[str, Any]], account: Any) -> None:
    total = 0
    for case in cases:
        base = BASE + case.get("first_step_unix_mod_2", 0)
        spec, initial = case["spec"], case["initial_state"]
        # It is made once: what a later spec says of the delay changes nothing.
        delay_s = spec["scale_down_delay_s"] if case["has_delay_window"] else 0.0
        memory = autoscaler.started(initial["max_panic_pods"], base)
        panic_since = base - initial.get("panic_age_s", 0) if initial["panicking"] else None
        memory = replace(memory, panic_since=panic_since)
        counts: tuple[Recommendation, ...] = ()
        for step in case["steps"]:
            if not step["expected_valid"]:
                assert step["metrics_error"]
                continue  # a trigger without a number asks for nothing: Scale() is not asked
            total += 1
            spec = step.get("new_spec", spec)
            rules = rules_of(spec, delay_s)
            wants, memory = autoscaler.scale(
                rules,
                spec["target_value"],
                replace(memory, delay=counts),
                stable=step["stable"],
                panic=step["panic"],
                ready=step["ready_pods"],
                now=base + step["t_s"],
            )
            if spec["reachable"]:
                counts = memory.delay
            where = (case["id"], step)
            assert wants == step["expected_desired"], where
            assert (memory.panic_since is not None) == step["panicking_after"], where
            assert memory.panic_replicas == step["max_panic_pods_after"], where
    account.close(name, total, {})


def test_steps_are_those_of_knative(recorded: Any, account: Any) -> None:
    check_steps("knative-autoscaler (steps)", recorded("knative-autoscaler"), account)


@pytest.mark.skipif(not UPSTREAM.exists(), reason="Knative's own tables are not beside the checkout")
def test_steps_are_those_of_knatives_own_tables(account: Any) -> None:
    check_steps("table-knative-autoscaler (steps)", upstream("table-knative-autoscaler"), account)


def test_an_autoscaler_starts_as_knatives_does(recorded: Any, account: Any) -> None:
    cases = recorded("knative-autoscaler")
    for case in cases:
        initial = case["initial_state"]
        memory = autoscaler.started(initial["ready_at_creation"], BASE)
        assert (memory.panic_since == BASE) == initial["panicking"], case["id"]
        assert memory.panic_replicas == initial["max_panic_pods"], case["id"]
    account.close("knative-autoscaler (starts)", len(cases), {})


def test_the_delay_is_that_of_knative(recorded: Any, account: Any) -> None:
    total = 0
    for case in recorded("knative-max-time-window"):
        window: tuple[Recommendation, ...] = ()
        for op in case["ops"]:
            total += 1
            window = delay.with_count(
                window,
                case["base_unix"] + op["t_s"],
                op["value"],
                case["window_s"],
                granularity_s=case["granularity_s"],
            )
            assert window[0].replicas == op["expected"], (case["id"], op)
    account.close("knative-max-time-window", total, {})


@pytest.mark.skipif(not UPSTREAM.exists(), reason="Knative's own tables are not beside the checkout")
def test_the_delay_is_that_of_knatives_own_tables(account: Any) -> None:
    timed = upstream("table-knative-max-time-window")
    for case in timed:
        window: tuple[Recommendation, ...] = ()
        for entry in case["entries"]:
            window = delay.with_count(
                window, BASE + entry["t_s"], entry["value"], case["window_s"], granularity_s=case["granularity_s"]
            )
        assert window[0].replicas == case["expected"], case["id"]
    account.close("table-knative-max-time-window", len(timed), {})
    indexed = upstream("table-knative-max-window")
    for case in indexed:
        window, found = (), []
        for index, value in zip(case["indices"], case["values"], strict=True):
            window = delay.with_count(window, float(index), value, case["buckets"], granularity_s=1)
            found.append(window[0].replicas)
        assert found == case["expected"], case["id"]
    account.close("table-knative-max-window", len(indexed), {})

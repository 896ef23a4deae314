"""A workload to simulate, and rows as they are printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from scaler.model import ForeignTarget, ScalingPolicy, Trigger, TriggerPolicy, Workload
from scaler.simulation import parse_trace, simulate


def workload_of(policy: ScalingPolicy) -> Workload:
    triggers = tuple(Trigger(policy=trigger, config=None) for trigger in policy.triggers)
    return Workload("worker", ForeignTarget("Deployment", "worker"), triggers, policy)


@pytest.fixture
def replay() -> Callable[..., list[dict[str, Any]]]:
    def run(
        policy: ScalingPolicy | None, *lines: dict[str, Any], trigger: TriggerPolicy | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Replay a trace, one trigger `redis-0` of target 5 unless the policy or another trigger is given."""
        if policy is None:
            policy = ScalingPolicy(triggers=(trigger or TriggerPolicy("redis-0", "redis", 5.0),))
        workload = workload_of(policy)
        names = [trigger.name for trigger in workload.triggers]
        steps = parse_trace([json.dumps(line) for line in lines], file="trace.jsonl", triggers=names)
        return [json.loads(json.dumps(row.as_json())) for row in simulate(workload, steps, **options)]

    return run

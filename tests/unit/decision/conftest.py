"""Timelines: `at(minute=5, backlog=0).expect(4)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scaler.decision import decide, initial_state
from scaler.model import Decision, DecisionState, Reading, ReplicaCounts, Rule, ScalingPolicy, TriggerPolicy

START = 1_700_000_000.0


class Moment:
    """A decision that was taken, to be compared with what was expected."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def expect(
        self,
        replicas: int,
        *,
        reason: str | None = None,
        rules: tuple[Rule, ...] | None = None,
        active: bool | None = None,
        next_after_s: float | None = -1.0,
    ) -> None:
        """Compare; `next_after_s` counts from this moment, None meaning that no clock runs."""
        decision = self.decision
        assert decision.desired == replicas, decision
        assert reason is None or decision.reason.value == reason, decision
        assert rules is None or tuple(limit.rule for limit in decision.limits) == rules, decision
        assert active is None or decision.active == active, decision
        if next_after_s != -1.0:
            due = decision.next_change_at
            assert (None if due is None else round(due - decision.at, 6)) == next_after_s, decision


class Timeline:
    """A workload whose replicas follow its decisions at once, unless a moment says otherwise."""

    def __init__(self, policy: ScalingPolicy, replicas: int = 0) -> None:
        self.policy = policy
        self.replicas = replicas
        self.state: DecisionState = initial_state(START)

    def at(
        self,
        minute: float = 0,
        second: float = 0,
        *,
        status: int | None = None,
        ready: int | None = None,
        **readings: float | Reading | None,
    ) -> Moment:
        """Decide at a moment after the start; a reading of None is a failed one."""
        given = {
            name: value if isinstance(value, Reading) else Reading.failed("down") if value is None else Reading(value)
            for name, value in readings.items()
        }
        status = self.replicas if status is None else status
        counts = ReplicaCounts(self.replicas, status, status if ready is None else ready)
        decision, self.state = decide(self.policy, self.state, given, counts, START + minute * 60 + second)
        self.replicas = decision.desired
        return Moment(decision)


@pytest.fixture
def timeline() -> Callable[..., Timeline]:
    def build(*, replicas: int = 0, triggers: tuple[TriggerPolicy, ...] | None = None, **policy: Any) -> Timeline:
        """Begin with one trigger `backlog` of target 5, unless others are given."""
        triggers = (TriggerPolicy("backlog", "redis", 5.0),) if triggers is None else triggers
        return Timeline(ScalingPolicy(triggers=triggers, **policy), replicas)

    return build

"""KEDA's steps between zero, idle and something: activation, cooldown, pauses, errors."""

from __future__ import annotations

from typing import Any

from scaler.decision import decide
from scaler.model import DecisionState, Pause, Reading, ReplicaCounts, ScalingPolicy, TriggerPolicy

NOW = 1_000_000.0
ANNOTATION = "autoscaling.keda.sh/"
# KEDA's own defaults, where the case leaves a field out.
COOLDOWN_S = 300.0
LONG_AGO = 0.0


def pause_of(annotations: dict[str, str]) -> Pause:
    def on(name: str) -> bool:
        return annotations.get(ANNOTATION + name) == "true"

    replicas = annotations.get(ANNOTATION + "paused-replicas")
    return Pause(
        paused=on("paused"),
        replicas=None if replicas is None else int(replicas),
        scale_in=on("paused-scale-in"),
        scale_out=on("paused-scale-out"),
        force_activation=on("force-activation"),
    )


def policy_of(case: dict[str, Any]) -> ScalingPolicy:
    scaled = case["scaled_object"]
    triggers = [TriggerPolicy("s0", "external", 1.0)]
    if case["is_error"]:
        triggers.append(TriggerPolicy("s1", "external", 1.0))
    cooldown_s = scaled["cooldownPeriod"]
    return ScalingPolicy(
        triggers=tuple(triggers),
        min_replicas=scaled["minReplicaCount"] or 0,
        idle_replicas=scaled["idleReplicaCount"],
        cooldown_s=COOLDOWN_S if cooldown_s is None else cooldown_s,
        initial_cooldown_s=scaled["initialCooldownPeriod"] or 0.0,
        pause=pause_of(scaled["annotations"] or {}),
    )


def state_of(case: dict[str, Any]) -> DecisionState:
    scaled = case["scaled_object"]
    created, active = scaled["created_age_s"], scaled["last_active_age_s"]
    return DecisionState(
        created_at=LONG_AGO if created is None else NOW - created,
        last_active_at=None if active is None else NOW - active,
    )


def readings_of(case: dict[str, Any]) -> dict[str, Reading]:
    # A value that wants exactly what there is: the HPA would move nothing, so what moves is KEDA's step.
    readings = {"s0": Reading(float(case["current"]), active=case["is_active"])}
    if case["is_error"]:
        readings["s1"] = Reading.failed("no answer")
    return readings


def explain(case: dict[str, Any], policy: ScalingPolicy) -> tuple[str, int]:
    """Return the rule that makes us answer otherwise, and the answer that it gives."""
    current, least, idle = case["current"], policy.min_replicas, policy.idle_replicas
    active = case["is_active"] or policy.pause.force_activation
    unknown = case["is_error"] and not active
    kept = case["expected"] == current
    if policy.pause.replicas is not None:
        return "paused-replicas-is-a-decision", policy.pause.replicas
    if not kept and unknown and case["scaled_object"]["fallback"]["replicas"] == 0:
        return "unknown-holds", current
    if kept and not active and idle is not None and current < idle:
        return "idle-count-from-below", idle
    if kept and 0 < current < least:
        return "bounds-in-the-same-tick", least  # the HPA does it some seconds after KEDA
    if kept and current == 0 and unknown and idle is None:
        return "minimum-despite-errors", least
    return "unexplained", case["expected"]


def test_zero_to_one_is_that_of_keda(recorded: Any, account: Any) -> None:
    cases = recorded("keda-request-scale")
    for case in cases:
        policy = policy_of(case)
        decision, state = decide(policy, state_of(case), readings_of(case), ReplicaCounts.settled(case["current"]), NOW)
        rules = []
        if decision.desired != case["expected"]:
            rule, answer = explain(case, policy)
            assert decision.desired == answer, (case["id"], rule)
            rules.append(rule)
        before = state_of(case).last_active_at
        renewed = state.last_active_at == NOW
        if before != NOW and renewed != case["last_active_time_updated"]:
            # KEDA does not renew it while another trigger is in error, so that its cooldown runs on.
            assert (renewed, case["is_error"]) == (True, True), case["id"]
            rules.append("activity-despite-errors")
        if rules:
            account.explain(rules[0])
    account.close(
        "keda-request-scale",
        len(cases),
        {
            "activity-despite-errors": 131,
            "bounds-in-the-same-tick": 65,
            "idle-count-from-below": 18,
            "minimum-despite-errors": 10,
            "paused-replicas-is-a-decision": 52,
            "unknown-holds": 6,
        },
    )

"""Knative's bounds and its way to zero, beside our own: bounds, unknown counts, and one cooldown.

Knative goes to zero in steps: a stable window without requests, then a grace period or a retention period, and a probe
that its activator is in the way. Here that is one cooldown as long as all of them; that requests are held again before
the last replica stops is not the decision's work, but that of the ingress.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from scaler.decision import decide
from scaler.model import DecisionState, Direction, Reading, ReplicaCounts, ScalingPolicy, TriggerPolicy

UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance" / "table-knative-kpa-scaler.jsonl.gz"
ANNOTATION = "autoscaling.knative.dev/"
NOW = 1_000_000.0
UNLIMITED = 1_000_000
AT_ONCE = Direction()


def seconds(text: str) -> float:
    """Read a number, or a duration such as 2m0s."""
    if text[-1] not in "sm":
        return float(text)
    return sum(float(number) * {"s": 1, "m": 60}[unit] for number, unit in re.findall(r"([\d.]+)([sm])", text))


@dataclass(frozen=True)
class Settings:
    """What annotations and configuration come to, for a revision that requests can reach or not."""

    least: int
    most: int
    initial: int
    window_s: float
    grace_s: float
    retention_s: float
    deadline_s: float

    @property
    def cooldown_s(self) -> float:
        return self.window_s + max(self.grace_s, self.retention_s)


def settings_of(case: dict[str, Any]) -> Settings:
    config, annotations = case["config"], case["annotations"]

    def given(annotation: str, key: str) -> float:
        text = annotations.get(ANNOTATION + annotation)
        return config[key] if text is None else seconds(text)

    reachable = case["reachability"] != "Unreachable"
    most = int(given("max-scale", "max_scale")) or UNLIMITED
    least = int(given("min-scale", "min_scale")) if reachable else 0
    initial = int(given("initial-scale", "initial_scale"))
    if initial == 0 and not config["allow_zero_initial_scale"]:
        initial = config["initial_scale"]  # an annotation that is not allowed does not count
    first = reachable and not case["status"]["scale_target_initialized"] and initial > 1
    progress = case["annotations"].get("serving.knative.dev/progress-deadline")
    return Settings(
        # What may not go to zero has a minimum of one.
        least=min(max(least, 0 if config["enable_scale_to_zero"] else 1), most),
        most=most,
        initial=min(initial, most) if first else 0,
        window_s=given("window", "stable_window_s"),
        grace_s=config["scale_to_zero_grace_period_s"],
        retention_s=given("scale-to-zero-pod-retention-period", "scale_to_zero_pod_retention_period_s")
        if reachable
        else 0.0,
        deadline_s=(config["progress_deadline_s"] if progress is None else seconds(progress))
        + config["activation_timeout_buffer_s"],
    )


def policy_of(settings: Settings) -> ScalingPolicy:
    return ScalingPolicy(
        # It wants as many as its value says.
        triggers=(TriggerPolicy("http", "http", 1.0, exact=True),),
        min_replicas=settings.least,
        max_replicas=settings.most,
        cooldown_s=settings.cooldown_s,
        scale_up=AT_ONCE,
        scale_down=AT_ONCE,
    )


def last_active_age_s(case: dict[str, Any], settings: Settings) -> float:
    """Return how long nothing has been in flight: no count is wanted once a window is empty, from then on it waits."""
    since = case["status"]["since_s"]
    match case["status"]["active"]:
        case "True":
            return settings.window_s
        case "False":
            return settings.window_s + since
        case _:
            return since  # requests made it start


def ours(case: dict[str, Any], policy: ScalingPolicy, current: int, now: float = NOW) -> int:
    wanted = case["scale_to"]
    reading = Reading.failed("no data") if wanted < 0 else Reading(float(wanted))
    state = DecisionState(created_at=0.0, last_active_at=NOW - last_active_age_s(case, settings_of(case)))
    return decide(policy, state, {"http": reading}, ReplicaCounts.settled(current), now)[0].desired


def explain(case: dict[str, Any], settings: Settings, current: int, wanted: int) -> str:
    """Return the rule by which we answer otherwise, after showing that without it we answer as Knative does."""
    policy, activity = policy_of(settings), case["status"]["active"]
    if settings.initial > settings.least:
        initial = replace(policy, min_replicas=settings.initial)
        assert ours(case, initial, current) == wanted, case["id"]
        return "no-initial-scale"
    if activity == "Unknown":
        deadline = replace(policy, cooldown_s=settings.deadline_s)
        quiet = {**case, "scale_to": 0}  # a deadline asks for no number
        assert ours(quiet, deadline, current) == wanted, case["id"]
        return "no-activation-deadline"
    waited_s = case["status"]["since_s"]
    assert (activity, case["scale_to"]) == ("False", 0), case["id"]
    if wanted == 0 and waited_s == max(settings.grace_s, settings.retention_s):
        assert ours(case, policy, current, NOW + 0.001) == 0, case["id"]
        return "cooldown-is-strict"
    if wanted == 0:
        credited_s = min(settings.grace_s, case["sks_proxy_for_s"])
        rest = replace(policy, cooldown_s=settings.window_s + max(settings.grace_s - credited_s, settings.retention_s))
        assert ours(case, rest, current, NOW + 0.001) == 0, case["id"]
        return "no-credit-for-holding"
    assert case["probe"] != "ok", case["id"]
    return "no-probe"


def check(name: str, cases: list[dict[str, Any]], account: Any, rules: dict[str, int]) -> None:
    for case in cases:
        settings = settings_of(case)
        current = case.get("current_replicas", max(1, settings.least))
        applied = case.get("expected_apply", case.get("expected_scaling_applied"))
        wanted = case["expected_desired"] if applied else current
        if ours(case, policy_of(settings), current) != wanted:
            account.explain(explain(case, settings, current, wanted))
    account.close(name, len(cases), rules)


def test_zero_and_bounds_are_those_of_knative(recorded: Any, account: Any) -> None:
    check(
        "knative-kpa-scaler",
        recorded("knative-kpa-scaler"),
        account,
        {
            "cooldown-is-strict": 7,
            "no-activation-deadline": 34,
            "no-credit-for-holding": 5,
            "no-initial-scale": 103,
            "no-probe": 38,
        },
    )


@pytest.mark.skipif(not UPSTREAM.exists(), reason="Knative's own tables are not beside the checkout")
def test_zero_and_bounds_are_those_of_knatives_own_tables(account: Any) -> None:
    with gzip.open(UPSTREAM, "rt") as lines:
        check(
            "table-knative-kpa-scaler",
            [json.loads(line) for line in lines],
            account,
            {
                "cooldown-is-strict": 6,
                "no-activation-deadline": 2,
                "no-credit-for-holding": 2,
                "no-initial-scale": 2,
            },
        )

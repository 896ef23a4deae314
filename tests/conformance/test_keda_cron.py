"""The cron trigger is active when KEDA's own code says so; each difference has a named rule."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from scaler.model import MetricType
from scalers.cron.schedule import Schedule, find_zone, phase
from scalers.cron.window import CronConfig, CronScaler

DATA = Path(__file__).parent / "data"
UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance"
EVERY_HOUR = {"start": "30 * * * *", "end": "45 * * * *", "timezone": "Etc/UTC", "desiredReplicas": "1"}


def load(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def conclude(cases: list[dict[str, Any]], rules: Counter[str], expected: Mapping[str, int]) -> None:
    print(f"{len(cases)} cases; explained by rule: {dict(rules)}")  # noqa: T201 - what the run is to show
    assert rules == Counter(expected)


def value_at(case: Mapping[str, Any]) -> float:
    config = CronConfig.model_validate(
        {name: case[name] for name in ("start", "end", "timezone")} | {"desiredReplicas": str(case["desiredReplicas"])}
    )
    inside = phase(*config.schedules(), datetime.fromisoformat(case["now"])).inside
    assert config.target() == 1
    return config.desired_replicas if inside else 0


def half_an_hour_is_skipped(case: Mapping[str, Any]) -> bool:
    """Whether the zone's clock goes forward by half an hour around the case's moment."""
    now, zone, day = datetime.fromisoformat(case["now"]), ZoneInfo(case["timezone"]), timedelta(days=1)
    before, after = (now - day).astimezone(zone).utcoffset(), (now + 2 * day).astimezone(zone).utcoffset()
    assert before is not None
    assert after is not None
    return after - before == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("keda-cron", {}), ("keda-cron-dst", {"a gap of half an hour passes over no later hour": 21})],
)
def test_active_when_keda_is(name: str, expected: Mapping[str, int]) -> None:
    cases = load(DATA / f"{name}.jsonl.gz")
    rules: Counter[str] = Counter()
    for case in cases:
        assert case["expected_active"] == (case["expected_value_milli"] > 0)
        if value_at(case) * 1000 != case["expected_value_milli"]:
            # KEDA's library counts hours from the one before the gap, so that it looks at 3:30, 4:30, ... and misses
            # every full hour until midnight. The minutes it misses are there, and a schedule for them falls due.
            assert case.get("half_hour_gap"), case
            assert half_an_hour_is_skipped(case), case
            rules["a gap of half an hour passes over no later hour"] += 1
    conclude(cases, rules, expected)


def test_schedules_are_accepted_that_keda_accepts() -> None:
    cases = load(DATA / "keda-cron-specs.jsonl.gz")
    rules: Counter[str] = Counter()
    for case in cases:
        try:
            Schedule.parse(case["spec"], find_zone("UTC"))
        except ValueError:
            if case["accepted"]:
                assert case["spec"].startswith("*-"), case
                rules["a star has no upper end"] += 1
        else:
            assert case["accepted"], case
    conclude(cases, rules, {"a star has no upper end": 1})


def test_time_zones_are_known_that_keda_knows() -> None:
    cases = load(DATA / "keda-cron-timezones.jsonl.gz")
    rules: Counter[str] = Counter()
    for case in cases:
        try:
            CronConfig.model_validate({**EVERY_HOUR, "timezone": case["timezone"]})
        except ValidationError:
            assert case["parse_error"] or case["run_error"], case
            if not case["parse_error"]:
                rules["an unknown zone is refused at once"] += 1
        else:
            assert not case["parse_error"], case
            assert not case["run_error"], case
    conclude(cases, rules, {"an unknown zone is refused at once": 5})


def mend(parameters: dict[str, Any], error: Mapping[str, Any]) -> str | None:
    """Mend what one of our errors objects to, and return the rule that makes us object where KEDA does not."""
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        del parameters[name]
        return "unknown parameters are refused"
    if name == "timezone" and parameters.get(name, "").strip():
        parameters[name] = "Etc/UTC"
        return "an unknown zone is refused at once"
    if name == "desiredReplicas" and parameters.get(name, "").startswith("-"):
        parameters[name] = "1"
        return "a count is not negative"
    return None


def check(cases: list[dict[str, Any]], expected: Mapping[str, int]) -> None:
    rules: Counter[str] = Counter()
    for case in cases:
        given = dict(case["metadata"])
        applied: set[str] = set()
        while True:
            try:
                config = CronConfig.model_validate(given)
            except ValidationError as refusal:
                if case["is_error"]:
                    break
                for error in refusal.errors(include_input=False, include_context=False):
                    rule = mend(given, error)
                    assert rule is not None, (case, error)
                    applied.add(rule)
                continue
            assert not case["is_error"], case
            compare(config, case, given)
            break
        if not case["is_error"]:
            rules.update(applied)
    conclude(cases, rules, expected)


def compare(config: CronConfig, case: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    parsed, metric = case["parsed"], case["metric_spec"]
    ours = {"start": config.start, "end": config.end, "timezone": config.timezone}
    untouched = {name for name in ours if given[name] == case["metadata"][name]}
    assert all(ours[name] == parsed[name] for name in untouched), case
    assert config.desired_replicas == parsed["desiredReplicas"] or parsed["desiredReplicas"] < 0, case
    refused = case["metric_type"] == MetricType.UTILIZATION
    assert refused == ("error" in metric) == (refused and MetricType.UTILIZATION not in CronScaler.metric_types), case
    if not refused:
        assert config.target() * 1000 == metric.get("averageValue_milli", metric.get("value_milli")), case


def test_parameters_mean_what_keda_makes_of_them() -> None:
    check(
        load(DATA / "keda-parse-cron.jsonl.gz"),
        {
            "unknown parameters are refused": 5,
            "an unknown zone is refused at once": 35,
            "a count is not negative": 5,
        },
    )


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the upstream tables lie beside the checkout only")
def test_parameters_of_keda_s_own_tests_mean_the_same() -> None:
    check(load(UPSTREAM / "table-keda-parse-cron.jsonl.gz"), {})

"""What labels on a compose service say, and how what is wrong with them is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from scaler.manifest.compose.labels import OPTIONS, TRIGGER, LabelledScaling, LabelledService, read_labels
from scaler.model import COMPOSE_SERVICE, ForeignTarget, MetricType, Workload
from scalers.redis.lists import RedisListScaler

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "compose" / "compose.yaml"
JOBS = "address=cache:6379 listName=jobs"
PLACE = "compose service shop/worker: labels"


def read(labels: Mapping[str, str], environment: Mapping[str, str] | None = None) -> LabelledScaling:
    service = LabelledService("shop", "worker", labels, environment or {})
    (scaling,) = read_labels([service], {"redis": RedisListScaler})
    return scaling


def workload_of(labels: Mapping[str, str], environment: Mapping[str, str] | None = None) -> Workload:
    scaling = read(labels, environment)
    assert scaling.problems == ()
    assert scaling.workload is not None
    return scaling.workload


def problems_of(labels: Mapping[str, str]) -> list[str]:
    scaling = read(labels)
    assert scaling.workload is None
    return [str(problem) for problem in scaling.problems]


def test_one_label_is_enough() -> None:
    """Everything else is as KEDA has it."""
    workload = workload_of({"scaler.trigger.redis": JOBS, "com.docker.compose.project": "shop", "team": "blue"})
    assert workload.name == "shop.worker"
    assert workload.target == ForeignTarget(COMPOSE_SERVICE, "shop/worker")
    assert [trigger.name for trigger in workload.triggers] == ["redis-0"]
    assert workload.triggers[0].config.list_name == "jobs"
    policy = workload.policy
    assert (policy.min_replicas, policy.max_replicas, policy.cooldown_s) == (0, 100, 300)
    assert workload.polling_interval_s == 5


def test_options_are_those_of_a_scaled_object() -> None:
    workload = workload_of(
        {
            "scaler.trigger.redis": JOBS,
            "scaler.min": "2",
            "scaler.max": " 8 ",
            "scaler.idle": "0",
            "scaler.cooldown": "60",
            "scaler.initial-cooldown": "5",
            "scaler.polling-interval": "0.5",
            "scaler.fallback": "failureThreshold=3 replicas=4 behavior=currentReplicas",
        }
    )
    policy = workload.policy
    assert (policy.min_replicas, policy.max_replicas, policy.idle_replicas) == (2, 8, 0)
    assert (policy.cooldown_s, policy.initial_cooldown_s, workload.polling_interval_s) == (60, 5, 0.5)
    assert policy.fallback is not None
    assert (policy.fallback.failure_threshold, policy.fallback.replicas) == (3, 4)


@pytest.mark.parametrize(
    "text",
    [
        "address=cache:6379 listName='two words' metricType=Value",
        "{address: 'cache:6379', listName: two words, metricType: Value}",
        '{"address": "cache:6379", "listName": "two words", "metricType": "Value"}',
        "address: cache:6379\nlistName: two words\nmetricType: Value\n",
    ],
    ids=["words", "yaml", "json", "block"],
)
def test_a_trigger_may_be_written_in_any_of_these_ways(text: str) -> None:
    (trigger,) = workload_of({"scaler.trigger.redis.urgent": text}).triggers
    assert (trigger.name, trigger.config.list_name) == ("urgent", "two words")
    assert trigger.policy.metric_type is MetricType.VALUE


def test_secrets_come_from_the_container_s_own_environment() -> None:
    workload = workload_of({"scaler.trigger.redis": f"{JOBS} passwordFromEnv=PW"}, {"PW": "hush-hush"})
    assert workload.triggers[0].config.password.get_secret_value() == "hush-hush"
    assert "hush-hush" not in repr(workload)
    assert "hush-hush" not in repr(LabelledService("shop", "worker", {}, {"PW": "hush-hush"}))


def test_everything_wrong_is_told_at_once_by_label() -> None:
    problems = problems_of(
        {
            "scaler.trigger.redis": "address=cache:6379 listNam=jobs passwordFromEnv=GONE",
            "scaler.trigger.radis": JOBS,
            "scaler.trigger.redis.b": "address=cache:6379 listName=b metricType=Sum listLength=0",
            "scaler.minn": "1",
            "scaler.max": "many",
        }
    )
    starts = [
        f"{PLACE}['scaler.minn']: found an unknown label",
        f"{PLACE}['scaler.max']: found many, expected an integer",
        f"{PLACE}['scaler.trigger.radis']: found radis, expected the type of an installed scaler (redis)",
        f"{PLACE}['scaler.trigger.redis'].listNam: found an unknown key",
        f"{PLACE}['scaler.trigger.redis'].passwordFromEnv: found a name that is not shown",
        f"{PLACE}['scaler.trigger.redis.b'].metricType: found Sum, expected one of",
        f"{PLACE}['scaler.trigger.redis.b'].listLength: found 0",
    ]
    for start in starts:
        assert any(problem.startswith(start) for problem in problems), (start, problems)
    assert len(problems) == len(starts)
    assert any("did you mean scaler.min?" in problem for problem in problems)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"scaler.max": "3"}, "['scaler.trigger.TYPE']: found nothing, expected at least one trigger"),
        ({"scaler.trigger.redis": "jobs"}, "['scaler.trigger.redis']: found a single value, expected key=value words"),
        ({"scaler.trigger.redis": "- a"}, "['scaler.trigger.redis']: found a list"),
        ({"scaler.trigger.redis": "a=1 open-sesame"}, "['scaler.trigger.redis']: found word 2 without a key"),
        ({"scaler.trigger.redis": "a='1"}, "['scaler.trigger.redis']: found a quote that is never closed"),
        ({"scaler.trigger.redis": "host=a host=b"}, "['scaler.trigger.redis']: found the key 'host' a second time"),
        ({"scaler.trigger.redis": JOBS, "scaler.min": "9", "scaler.max": "8"}, "expected at most scaler.max (8)"),
        ({"scaler.trigger.redis": JOBS, "scaler.fallback": "replicas=1"}, "['scaler.fallback'].failureThreshold"),
        ({"scaler.trigger.redis.a": JOBS, "scaler.trigger.redis-streams.a": ""}, "the type of an installed scaler"),
    ],
)
def test_one_thing_wrong_is_one_problem(labels: dict[str, str], expected: str) -> None:
    problems = problems_of(labels)
    assert any(expected in problem for problem in problems)
    assert all("open-sesame" not in problem for problem in problems)


def test_one_service_s_errors_are_its_own() -> None:
    good = LabelledService("shop", "good", {"scaler.trigger.redis": JOBS}, {})
    bad = LabelledService("shop", "bad", {"scaler.trigger.redis": ""}, {})
    scalings = read_labels([bad, good], {"redis": RedisListScaler})
    assert [scaling.workload is not None for scaling in scalings] == [False, True]


def test_the_example_s_labels_are_right() -> None:
    services = YAML(typ="safe").load(EXAMPLE.read_text())["services"]
    workload = workload_of(services["worker"]["labels"])
    assert workload.policy.max_replicas == 10
    assert "labels" not in services["cache"]


def test_the_documentation_names_every_label() -> None:
    page = (EXAMPLE.parents[3] / "docs" / "compose.md").read_text()
    assert [label for label in (f"{TRIGGER}TYPE", f"{TRIGGER}TYPE.NAME", *OPTIONS) if f"`{label}`" not in page] == []


def test_a_service_at_zero_may_be_read_at_its_own_pace() -> None:
    labels = {"scaler.trigger.redis": JOBS, "scaler.idle-polling-interval": "0.2"}
    assert workload_of(labels).idle_polling_interval_s == 0.2
    (problem,) = problems_of({**labels, "scaler.idle-polling-interval": "often"})
    assert problem == f"{PLACE}['scaler.idle-polling-interval']: found 'often', expected seconds from 0.1 to 86400"

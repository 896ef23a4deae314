"""Triggers on cpu and memory: how they are meant, what they need, and what could never work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scaler.model import MetricType, TriggerKind
from scalers.resources.cpu import CpuScaler
from scalers.resources.memory import MemoryScaler

LIMITS = "resources: {cpu: 0.5, memory: 1Gi}"


@pytest.fixture
def loader(manifests: Any) -> Any:
    manifests.scalers |= {"cpu": CpuScaler, "memory": MemoryScaler}
    return manifests


def test_a_rule_of_azure_says_in_its_metadata_how_it_is_meant(loader: Any) -> None:
    rule = "{type: cpu, metadata: {type: Utilization, value: 50}}"
    (cpu,) = loader.one(loader.ruled(rule, container=LIMITS)).policy.triggers
    assert (cpu.type, cpu.metric_type, cpu.target) == ("cpu", MetricType.UTILIZATION, 50)
    assert (cpu.kind, cpu.busy_start) == (TriggerKind.RESOURCE, True)


def test_a_trigger_of_keda_says_it_with_its_metric_type(loader: Any) -> None:
    triggers = "[{type: memory, metricType: AverageValue, metadata: {value: 256Mi}}]"
    workload = loader.one(loader.app("{}"), loader.scaled_object("minReplicaCount: 1", triggers=triggers))
    (memory,) = workload.policy.triggers
    assert (memory.metric_type, memory.target, memory.busy_start) == (MetricType.AVERAGE_VALUE, 2**28, False)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (
            "{type: cpu, metadata: {value: 50}}",
            "metadata: found parameters of cpu that do not fit, expected metricType",
        ),
        (
            "{type: cpu, metadata: {type: Value, value: 50}}",
            "metadata.type: found 'Value', expected 'Utilization' or 'AverageValue'",
        ),
        (
            "{type: memory, metadata: {type: Utilization, value: 1.5}}",
            "expected a whole number of percent as value, since it is a Utilization",
        ),
        ("{type: memory, metadata: {type: Utilization}}", "metadata.value: found nothing, expected value in metadata"),
        ("{type: cpu, metadata: {type: AverageValue, value: 0}}", "metadata.value: found 0, expected a number or"),
        (
            "{type: cpu, metadata: {type: AverageValue, value: 1, containerName: mian}}",
            "metadata.containerName: found 'mian', expected the name of a container of the app (main)",
        ),
    ],
)
def test_what_does_not_fit_is_said(loader: Any, rule: str, line: str) -> None:
    (found,) = loader.lines(loader.ruled(rule, container=f"name: main\n      {LIMITS}"))
    assert line in found


@pytest.mark.parametrize(("type_", "other"), [("cpu", "memory: 1Gi"), ("memory", "cpu: 1")])
def test_a_share_of_what_has_no_limit_is_refused(loader: Any, type_: str, other: str) -> None:
    rule = f"{{type: {type_}, metadata: {{type: Utilization, value: 50}}}}"
    container = f"name: main\n      resources: {{{other}}}"
    (line,) = loader.lines(loader.ruled(rule, container=container))
    assert f"found Utilization of {type_} without a limit, expected resources.{type_} in the container main" in line
    loader.load(loader.ruled(rule.replace("Utilization", "AverageValue"), container=container))


def test_what_runs_elsewhere_may_have_a_limit_there(loader: Any) -> None:
    triggers = "[{type: cpu, metricType: Utilization, metadata: {value: 50, containerName: any}}]"
    loader.load(loader.scaled_object("minReplicaCount: 1", triggers=triggers, kind="Deployment"))


def test_a_compose_service_has_one_container_called_as_itself(loader: Any) -> None:
    triggers = "[{type: cpu, metricType: AverageValue, metadata: {value: 1, containerName: %s}}]"
    texts = [
        loader.scaled_object("minReplicaCount: 1", triggers=triggers % name, kind="ComposeService").replace(
            "name: worker", "name: shop/worker"
        )
        for name in ("worker", "wroker")
    ]
    loader.load(texts[0])
    (line,) = loader.lines(texts[1])
    assert "containerName: found 'wroker', expected the name of a container of the service (worker)" in line


def test_both_ways_to_say_how_it_is_meant_are_too_many(loader: Any) -> None:
    triggers = "[{type: cpu, metricType: AverageValue, metadata: {type: AverageValue, value: 1}}]"
    (line,) = loader.lines(loader.app("{}"), loader.scaled_object("minReplicaCount: 1", triggers=triggers))
    assert "expected either metricType or type in the metadata, not both" in line


@pytest.mark.parametrize("spec", ["minReplicaCount: 0", ""])
def test_a_scaled_object_that_could_never_reach_zero_needs_a_minimum(loader: Any, spec: str) -> None:
    cpu = "{type: cpu, metricType: AverageValue, metadata: {value: 500m}}"
    queue = "{type: queue, metadata: {queueName: jobs, address: here}}"
    (line,) = loader.lines(loader.app("{}"), loader.scaled_object(spec, triggers=f"[{cpu}]"))
    assert "spec.minReplicaCount: found " in line
    assert "expected at least 1 (cpu and memory alone never reach zero)" in line
    loader.load(loader.app("{}"), loader.scaled_object(spec, triggers=f"[{cpu}, {queue}]"))


def test_azure_takes_a_minimum_of_zero_although_it_is_not_reached(loader: Any) -> None:
    rule = "{type: cpu, metadata: {type: Utilization, value: 50}}"
    assert loader.one(loader.ruled(rule, container=LIMITS)).policy.min_replicas == 0


@pytest.mark.parametrize("type_", ["cpu", "memory"])
def test_the_examples_are_manifests(loader: Any, type_: str) -> None:
    text = (Path(__file__).parents[3] / "deploy" / "examples" / "scalers" / f"{type_}.yaml").read_text()
    assert type_ in {trigger.type for trigger in loader.one(text).triggers}

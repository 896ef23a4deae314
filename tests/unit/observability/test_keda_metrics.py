"""KEDA's metrics: by its names and labels, and gone with their workload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from scaler.model import Decision, Reading, Reason, Workload
from scaler.observability.keda_metrics import KedaMetrics, metric_name

NAMESPACES = {"namespace": "default", "exported_namespace": "default"}
OBJECT = {**NAMESPACES, "scaledObject": "worker"}
SCALER = {**OBJECT, "metric": "s0-redis-0", "scaler": "redis-0", "triggerIndex": "0", "type": "scaledobject"}
AUTOSCALER = {"namespace": "default", "horizontalpodautoscaler": "keda-hpa-worker"}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def recorder(registry: CollectorRegistry) -> KedaMetrics:
    return KedaMetrics(registry)


def test_a_tick_is_shown_as_keda_and_the_hpa_would(
    registry: CollectorRegistry, recorder: KedaMetrics, workload: Workload, record: Callable
) -> None:
    record(recorder, workload)
    value = registry.get_sample_value
    assert value("keda_scaler_metrics_value", SCALER) == 80
    assert value("keda_scaler_metrics_latency_seconds", SCALER) == 0.001
    assert value("keda_scaler_active", SCALER) == 1
    assert value("keda_scaled_object_paused", OBJECT) == 0
    assert value("keda_trigger_registered_total", {"type": "redis"}) == 1
    assert value("keda_resource_registered_total", {**NAMESPACES, "type": "scaled_object"}) == 1
    assert value("kube_horizontalpodautoscaler_status_current_replicas", AUTOSCALER) == 2
    assert value("kube_horizontalpodautoscaler_status_desired_replicas", AUTOSCALER) == 10
    assert value("kube_horizontalpodautoscaler_spec_min_replicas", AUTOSCALER) == 0
    assert value("kube_horizontalpodautoscaler_spec_max_replicas", AUTOSCALER) == 10
    assert value("kube_deployment_spec_replicas", {"namespace": "default", "deployment": "worker"}) == 10
    late = {**NAMESPACES, "type": "scaledobject", "resource": "worker"}
    assert value("keda_internal_scale_loop_latency_seconds", late) == 0
    recorder.woke(workload, lateness_s=0.5, pushed=False)
    assert value("keda_internal_scale_loop_latency_seconds", late) == 0.5


def test_errors_count_for_the_trigger_and_its_workload_from_zero_on(
    registry: CollectorRegistry, recorder: KedaMetrics, workload: Workload
) -> None:
    recorder.workload_added(workload)
    assert registry.get_sample_value("keda_scaler_detail_errors_total", SCALER) == 0
    assert registry.get_sample_value("keda_scaled_object_errors_total", OBJECT) == 0
    recorder.read(workload, "redis-0", Reading.failed("down"), duration_s=3)
    assert registry.get_sample_value("keda_scaler_detail_errors_total", SCALER) == 1
    assert registry.get_sample_value("keda_scaled_object_errors_total", OBJECT) == 1


def test_a_paused_workload_is_shown_as_such(
    registry: CollectorRegistry, recorder: KedaMetrics, workload: Workload, record: Callable
) -> None:
    decision: Decision = record(recorder, workload)
    recorder.decided(workload, replace(decision, reason=Reason.PAUSED), duration_s=0)
    assert registry.get_sample_value("keda_scaled_object_paused", OBJECT) == 1


def test_a_removed_workload_leaves_no_series(
    registry: CollectorRegistry, recorder: KedaMetrics, workload: Workload, record: Callable, shop: Workload
) -> None:
    recorder.workload_added(shop)
    record(recorder, workload)
    recorder.workload_removed(workload)
    samples = [sample for family in registry.collect() for sample in family.samples]
    assert [sample for sample in samples if any("worker" in label for label in sample.labels.values())] == []
    assert registry.get_sample_value("keda_trigger_registered_total", {"type": "redis"}) == 0
    assert registry.get_sample_value("keda_resource_registered_total", {**NAMESPACES, "type": "scaled_object"}) == 1


@pytest.mark.parametrize(
    ("type_", "name", "expected"),
    [
        pytest.param("redis", "redis-0", "s2-redis-0", id="a name that was made"),
        pytest.param("kafka", "orders", "s2-kafka-orders", id="a name that was given"),
        pytest.param("http", "a/b.c:d%(e)", "s2-http-a-b-c-d--e-", id="what KEDA replaces"),
    ],
)
def test_metrics_are_named_in_kedas_form(type_: str, name: str, expected: str) -> None:
    assert metric_name(2, type_, name) == expected

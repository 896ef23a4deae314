"""The metrics: their names are a promise, and a workload's series go with it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from scaler.model import Reading, Workload
from scaler.observability.keda_metrics import KedaMetrics
from scaler.observability.metrics import PrometheusRecorder
from scaler.ports.recorder import HoldOutcome, Recorder

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"
DOCUMENTATION = (ROOT / "docs" / "metrics.md").read_text()
RECORDERS: dict[str, Callable[[CollectorRegistry], Recorder]] = {
    "metrics.txt": PrometheusRecorder,
    "keda-metrics.txt": KedaMetrics,
}


def exposed(registry: CollectorRegistry) -> dict[str, float]:
    """Return every sample as `name{labels}`."""
    samples = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}"] = sample.value
    return samples


@pytest.mark.parametrize("golden", RECORDERS)
def test_names_types_labels_and_help_are_those_of_the_golden_list(
    golden: str, workload: Workload, record: Callable, shop: Workload, record_requests: Callable
) -> None:
    registry = CollectorRegistry()
    recorder = RECORDERS[golden](registry)
    record(recorder, workload)
    record_requests(recorder, shop)
    lines = []
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        if family.name.endswith("_created"):
            continue
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        lines.append(f"{family.name} {family.type} {{{', '.join(labels)}}} {family.documentation}")
    assert "\n".join(sorted(lines)) + "\n" == (GOLDEN / golden).read_text()


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Return type and labels of each metric in the tables of the documentation."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*)\|", DOCUMENTATION, re.MULTILINE)
    return {name: (type_, frozenset(re.findall(r"\w+", labels))) for name, type_, labels in rows}


@pytest.mark.parametrize("golden", RECORDERS)
def test_every_metric_of_the_golden_list_is_documented_with_its_type_and_labels(golden: str) -> None:
    promised = {}
    for line in (GOLDEN / golden).read_text().splitlines():
        name, type_, labels = re.match(r"(\S+) (\S+) \{(.*?)\}", line).groups()
        promised[name] = (type_, frozenset(re.findall(r"\w+", labels)))
    prefixes = tuple({name.split("_")[0] for name in promised})
    assert {name: each for name, each in documented().items() if name.startswith(prefixes)} == promised


def test_a_tick_is_shown(workload: Workload, record: Callable) -> None:
    registry = CollectorRegistry()
    recorder = PrometheusRecorder(registry)
    record(recorder, workload)
    samples = exposed(registry)
    trigger = "{trigger=redis-0,type=redis,workload=worker}"
    assert samples["scaler_workload_wanted_replicas{workload=worker}"] == 10
    assert samples["scaler_workload_current_replicas{workload=worker}"] == 2
    assert samples["scaler_workload_ready_replicas{workload=worker}"] == 1
    assert samples[f"scaler_trigger_value{trigger}"] == 80
    assert samples[f"scaler_trigger_target{trigger}"] == 5
    assert samples[f"scaler_trigger_wanted_replicas{trigger}"] == 16
    assert samples[f"scaler_trigger_active{trigger}"] == 1
    assert samples[f"scaler_trigger_up{trigger}"] == 1
    assert samples["scaler_decisions_total{reason=activated,workload=worker}"] == 1
    assert samples["scaler_replica_starts_total{workload=worker}"] == 10
    recorder.read(workload, "redis-0", Reading.failed("down"), duration_s=3)
    samples = exposed(registry)
    assert samples[f"scaler_trigger_up{trigger}"] == 0
    assert samples[f"scaler_trigger_errors_total{trigger}"] == 1
    assert samples[f"scaler_trigger_value{trigger}"] == 80


def test_a_value_that_was_never_read_is_not_zero(workload: Workload) -> None:
    registry = CollectorRegistry()
    recorder = PrometheusRecorder(registry)
    recorder.workload_added(workload)
    recorder.read(workload, "redis-0", Reading.failed("down"), duration_s=3)
    assert math.isnan(exposed(registry)["scaler_trigger_value{trigger=redis-0,type=redis,workload=worker}"])


def test_a_removed_workload_leaves_no_series(workload: Workload, record: Callable) -> None:
    registry = CollectorRegistry()
    recorder = PrometheusRecorder(registry)
    record(recorder, workload)
    recorder.plugin_bug(workload, "redis-0")
    recorder.workload_removed(workload)
    assert [name for name in exposed(registry) if "worker" in name] == []


def test_the_configuration_is_not_accepted_while_a_part_of_it_stands_rejected() -> None:
    registry = CollectorRegistry()
    recorder = PrometheusRecorder(registry)

    def accepted() -> float:
        return exposed(registry)["scaler_configuration_accepted{}"]

    assert accepted() == 1
    recorder.configuration_reloaded(accepted=False)
    recorder.configuration_reloaded(accepted=True, part="shop/web")
    assert accepted() == 0  # others' success mends nothing
    recorder.configuration_reloaded(accepted=False, part="shop/worker")
    recorder.configuration_reloaded(accepted=True)
    assert accepted() == 0
    recorder.configuration_dropped(part="shop/worker")
    assert accepted() == 1


def test_requests_are_shown(shop: Workload, record_requests: Callable) -> None:
    registry = CollectorRegistry()
    recorder = PrometheusRecorder(registry)
    record_requests(recorder, shop)
    samples = exposed(registry)
    assert samples["scaler_requests_held{workload=shop}"] == 3
    assert samples["scaler_requests_in_flight{workload=shop}"] == 37
    assert samples["scaler_holds_total{outcome=released,workload=shop}"] == 1
    assert samples["scaler_holds_total{outcome=refused,workload=shop}"] == 1
    assert samples["scaler_hold_duration_seconds_count{workload=shop}"] == 1  # who was refused did not wait
    assert samples["scaler_hold_duration_seconds_bucket{le=0.25,workload=shop}"] == 0
    assert samples["scaler_hold_duration_seconds_bucket{le=0.5,workload=shop}"] == 1
    trigger = "{trigger=http-0,type=http,workload=shop}"
    assert samples[f"scaler_trigger_stable_concurrency{trigger}"] == 12.5
    assert samples[f"scaler_trigger_panic_concurrency{trigger}"] == 40
    assert samples[f"scaler_trigger_panicking{trigger}"] == 1
    assert samples["scaler_proxy_rejections_total{workload=shop}"] == 1
    assert samples["scaler_proxy_up{}"] == 1
    assert samples["scaler_proxy_deaths_total{}"] == 1
    assert samples["scaler_proxy_lost_requests_total{}"] == 2
    recorder.proxy_rejected((), error="the port is in use")
    assert exposed(registry)["scaler_proxy_rejections_total{workload=}"] == 1
    recorder.proxy_up(up=False)
    assert exposed(registry)["scaler_proxy_up{}"] == 0


def test_late_facts_of_a_removed_app_bring_no_series_back(shop: Workload, record_requests: Callable) -> None:
    registry = CollectorRegistry()
    recorder = PrometheusRecorder(registry)
    record_requests(recorder, shop)
    recorder.workload_removed(shop)
    recorder.traffic(shop, held=1, in_flight=1)
    recorder.hold_ended(shop, held_s=1, outcome=HoldOutcome.GONE)
    recorder.proxy_rejected((shop,), error="too late")
    assert [name for name in exposed(registry) if "shop" in name] == []


def test_without_ingress_there_are_no_series_of_requests_and_no_proxy_that_is_down(
    workload: Workload, record: Callable
) -> None:
    registry = CollectorRegistry()
    record(PrometheusRecorder(registry), workload)
    names = exposed(registry)
    assert "scaler_proxy_up{}" not in names
    assert [name for name in names if "requests" in name and "worker" in name] == []
    assert [name for name in names if "concurrency" in name] == []

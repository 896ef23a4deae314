"""KEDA's metrics, by its names and labels, so that dashboards and alerts made for KEDA work here unchanged.

Beside them stand the few series of kube-state-metrics that such dashboards show next to KEDA's, since there is no
Kubernetes to ask for them.
"""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from scaler.model import Decision, Reading, Reason, Replica, Workload, staying
from scaler.observability.families import Families
from scaler.ports.recorder import Recorder

# What KEDA's users have in `metadata.namespace`; here there are none.
NAMESPACE = "default"
# In Kubernetes, Prometheus calls a scraped `namespace` so, because the pod that was scraped has one, too. KEDA's own
# dashboard asks for this name.
_NAMESPACES = ("namespace", "exported_namespace")
_SCALER = (*_NAMESPACES, "metric", "scaledObject", "scaler", "triggerIndex", "type")
# What KEDA replaces in the names of metrics.
_REPLACED = str.maketrans(dict.fromkeys("/.:%()", "-"))


@dataclass(slots=True)
class _ScalerSeries:
    value: Any
    latency_s: Any
    active: Any
    errors: Any


@dataclass(slots=True)
class _ObjectSeries:
    """The labelled children of one workload, looked up once."""

    errors: Any
    paused: Gauge
    late_s: Gauge
    current: Gauge
    desired: Gauge
    asked: Gauge
    scalers: dict[str, _ScalerSeries]


class KedaMetrics(Recorder):
    """Shows each workload as a ScaledObject whose HPA and Deployment have its name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        keda, kube = Families(registry, prefix="keda_"), Families(registry, prefix="kube_")
        self._value = keda.gauge("scaler_metrics_value", "Last known value of a trigger", *_SCALER)
        self._latency_s = keda.gauge("scaler_metrics_latency_seconds", "Duration of a trigger's last read", *_SCALER)
        self._active = keda.gauge("scaler_active", "1 while a trigger is active", *_SCALER)
        self._errors = keda.counter("scaler_detail_errors", "Reads of a trigger that failed", *_SCALER)
        of_object = (*_NAMESPACES, "scaledObject")
        self._object_errors = keda.counter("scaled_object_errors", "Reads of a workload that failed", *of_object)
        self._paused = keda.gauge("scaled_object_paused", "1 while a workload is paused", *of_object)
        self._late_s = keda.gauge(
            "internal_scale_loop_latency_seconds", "How much later than due the last tick began",
            *_NAMESPACES, "type", "resource",
        )  # fmt: skip
        # Gauges by KEDA's decision, whatever their names end with.
        self._triggers = keda.gauge("trigger_registered_total", "Triggers by type", "type")
        self._objects = keda.gauge("resource_registered_total", "Workloads", "type", *_NAMESPACES)
        build = keda.gauge("build_info", "1; what runs", "version", "git_commit", "goversion", "goos", "goarch")
        build.labels(version("event-scaler"), "", "", platform.system().lower(), platform.machine()).set(1)
        of_autoscaler = ("namespace", "horizontalpodautoscaler")
        self._current = kube.gauge(
            "horizontalpodautoscaler_status_current_replicas", "Replicas that exist and are not stopping",
            *of_autoscaler,
        )  # fmt: skip
        self._desired = kube.gauge(
            "horizontalpodautoscaler_status_desired_replicas", "Replicas that the last decision wants", *of_autoscaler
        )
        self._min = kube.gauge("horizontalpodautoscaler_spec_min_replicas", "Least replicas", *of_autoscaler)
        self._max = kube.gauge("horizontalpodautoscaler_spec_max_replicas", "Most replicas", *of_autoscaler)
        self._asked = kube.gauge(
            "deployment_spec_replicas", "Replicas that the last decision wants", "namespace", "deployment"
        )
        self._series: dict[str, _ObjectSeries] = {}
        self._types: Counter[str] = Counter()

    def workload_added(self, workload: Workload) -> None:
        """Make the workload's series, so that they are there before the first event."""
        name = workload.name
        autoscaler = (NAMESPACE, f"keda-hpa-{name}")
        self._min.labels(*autoscaler).set(workload.policy.min_replicas)
        self._max.labels(*autoscaler).set(workload.policy.max_replicas)
        scalers = {}
        for index, trigger in enumerate(workload.triggers):
            labels = _labels_of_scaler(workload, index)
            scalers[trigger.name] = _ScalerSeries(
                value=self._value.labels(*labels),
                latency_s=self._latency_s.labels(*labels),
                active=self._active.labels(*labels),
                errors=self._errors.labels(*labels),
            )
        self._series[name] = _ObjectSeries(
            errors=self._object_errors.labels(NAMESPACE, NAMESPACE, name),
            paused=self._paused.labels(NAMESPACE, NAMESPACE, name),
            late_s=self._late_s.labels(NAMESPACE, NAMESPACE, "scaledobject", name),
            current=self._current.labels(*autoscaler),
            desired=self._desired.labels(*autoscaler),
            asked=self._asked.labels(NAMESPACE, name),
            scalers=scalers,
        )
        self._types.update(trigger.type for trigger in workload.triggers)
        self._count()

    def workload_removed(self, workload: Workload) -> None:
        """Drop the workload's series."""
        name = workload.name
        if self._series.pop(name, None) is None:
            return
        # Each by all its labels: to look for a part of them goes through the series of all workloads.
        for index in range(len(workload.triggers)):
            for metric in (self._value, self._latency_s, self._active, self._errors):
                metric.remove(*_labels_of_scaler(workload, index))
        for metric in (self._object_errors, self._paused):
            metric.remove(NAMESPACE, NAMESPACE, name)
        self._late_s.remove(NAMESPACE, NAMESPACE, "scaledobject", name)
        for metric in (self._current, self._desired, self._min, self._max):
            metric.remove(NAMESPACE, f"keda-hpa-{name}")
        self._asked.remove(NAMESPACE, name)
        self._types.subtract(trigger.type for trigger in workload.triggers)
        self._count()

    def _count(self) -> None:
        for type_, count in self._types.items():
            self._triggers.labels(type_).set(count)
        self._objects.labels("scaled_object", NAMESPACE, NAMESPACE).set(len(self._series))

    def woke(self, workload: Workload, *, lateness_s: float, pushed: bool) -> None:  # noqa: ARG002
        """Show how late the tick is."""
        self._series[workload.name].late_s.set(lateness_s)

    def read(self, workload: Workload, trigger: str, reading: Reading, *, duration_s: float) -> None:
        """Show how long the read took, and count an error."""
        series = self._series[workload.name]
        series.scalers[trigger].latency_s.set(duration_s)
        if reading.error:
            series.scalers[trigger].errors.inc()
            series.errors.inc()

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:  # noqa: ARG002
        """Show values, activity and the count."""
        series = self._series[workload.name]
        series.desired.set(decision.desired)
        series.asked.set(decision.desired)
        series.paused.set(1 if decision.reason is Reason.PAUSED else 0)
        for outcome in decision.triggers:
            scaler = series.scalers[outcome.name]
            scaler.active.set(1 if outcome.active else 0)
            if outcome.value is not None:
                scaler.value.set(outcome.value)

    def observed(self, workload: Workload, replicas: tuple[Replica, ...]) -> None:
        """Show how many replicas there are."""
        self._series[workload.name].current.set(len(staying(replicas)))


def _labels_of_scaler(workload: Workload, index: int) -> tuple[str, ...]:
    trigger = workload.triggers[index]
    metric = metric_name(index, trigger.type, trigger.name)
    return NAMESPACE, NAMESPACE, metric, workload.name, trigger.name, str(index), "scaledobject"


def metric_name(index: int, type_: str, name: str) -> str:
    """Return a trigger's metric in KEDA's form, `sINDEX-TYPE-...`.

    KEDA ends it with the queue, topic or list; here it is the trigger's name, which every trigger has.
    """
    tail = name if name.startswith(type_) else f"{type_}-{name}"
    return f"s{index}-{tail}".translate(_REPLACED)

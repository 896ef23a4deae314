"""A service's labels become a workload, by way of the ScaledObject that would say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scaler.manifest.checking import check
from scaler.manifest.compose.words import Unreadable, mapping, parameters
from scaler.manifest.declared import Environment
from scaler.manifest.keda.annotations import INTERVAL, parse_interval
from scaler.manifest.keda.documents import Metadata, ScaledObjectSpec
from scaler.manifest.keda.objects import DEFAULT_NAMESPACE, KubernetesObjects
from scaler.manifest.keda.workload import DeclaredScaling, scaled_workload
from scaler.manifest.located import Document, Path, Scalar
from scaler.manifest.problems import Report, closest, dotted
from scaler.manifest.triggers import Scalers
from scaler.manifest.values import OutsideValues
from scaler.model import COMPOSE_SERVICE, ForeignTarget, Workload
from scaler.ports.errors import Problem

PREFIX = "scaler."
TRIGGER = "scaler.trigger."
# Each means what KEDA's field means, and is what KEDA's field is when absent.
OPTIONS = {
    "scaler.min": "minReplicaCount",
    "scaler.max": "maxReplicaCount",
    "scaler.idle": "idleReplicaCount",
    "scaler.cooldown": "cooldownPeriod",
    "scaler.initial-cooldown": "initialCooldownPeriod",
    "scaler.polling-interval": "pollingInterval",
    "scaler.fallback": "fallback",
}
# Ours, as the annotation of a ScaledObject is.
_IDLE_INTERVAL = "scaler.idle-polling-interval"
_LABELS = {field: label for label, field in OPTIONS.items()}


@dataclass(frozen=True, slots=True)
class LabelledService:
    """A service with labels of ours, as its newest container has it.

    Attributes:
        environment: The container's own, where `<name>FromEnv` is looked up.
    """

    project: str
    service: str
    labels: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)

    @property
    def name(self) -> str:
        """Of the workload. No project's name has a dot in it, so this is as unique as the two together."""
        return f"{self.project}.{self.service}"


@dataclass(frozen=True, slots=True)
class LabelledScaling:
    """What a service's labels say.

    Attributes:
        service: Whose they are.
        workload: None when something is wrong.
        problems: All of them, warnings included.
    """

    service: LabelledService
    workload: Workload | None
    problems: tuple[Problem, ...]


def read_labels(services: Sequence[LabelledService], scalers: Scalers) -> tuple[LabelledScaling, ...]:
    """Return what the labels of each service say; one that is wrong does not concern the others."""
    return tuple(_read(service, scalers) for service in services)


def _read(service: LabelledService, scalers: Scalers) -> LabelledScaling:
    where = f"compose service {service.project}/{service.service}"
    report = _LabelReport(Document(where, 0, 0, mapping({})), [])
    spec = _spec(report, service)
    report.document = Document(where, 0, 0, mapping({"spec": spec}))
    declared = DeclaredScaling(
        report, DEFAULT_NAMESPACE, service.name, Metadata(), check(report, ScaledObjectSpec, spec, ("spec",))
    )
    workload = scaled_workload(
        declared,
        name=service.name,
        target=ForeignTarget(COMPOSE_SERVICE, f"{service.project}/{service.service}"),
        environment=Environment(dict(service.environment), "the service's container", container=service.service),
        objects=KubernetesObjects(OutsideValues({})),
        scalers=scalers,
    )
    workload = replace(workload, idle_polling_interval_s=_idle_interval(report, service))
    problems = tuple(dict.fromkeys(report.problems))
    wrong = any(not problem.warning for problem in problems)
    return LabelledScaling(service, None if wrong else workload, problems)


def _idle_interval(report: _LabelReport, service: LabelledService) -> float | None:
    text = service.labels.get(_IDLE_INTERVAL)
    interval_s = None if text is None else parse_interval(text.strip())
    if text is not None and interval_s is None:
        report.label(_IDLE_INTERVAL, repr(text), INTERVAL)
    return interval_s


def _spec(report: _LabelReport, service: LabelledService) -> Any:
    target = {"kind": COMPOSE_SERVICE, "name": f"{service.project}/{service.service}"}
    spec: dict[str, Any] = {"scaleTargetRef": {key: Scalar(value, plain=True) for key, value in target.items()}}
    triggers: list[Any] = []
    for label, text in sorted(service.labels.items()):
        if not label.startswith(PREFIX):
            continue
        if label.startswith(TRIGGER):
            report.triggers.append(label)
            triggers.append(_trigger(report, label, text))
        elif label == "scaler.fallback":
            spec[OPTIONS[label]] = _parameters(report, label, text)
        elif label in OPTIONS:
            spec[OPTIONS[label]] = Scalar(text.strip(), plain=True)
        elif label != _IDLE_INTERVAL:
            known = (f"{TRIGGER}TYPE", f"{TRIGGER}TYPE.NAME", *OPTIONS, _IDLE_INTERVAL)
            hint = closest(label, (TRIGGER.removesuffix("."), *OPTIONS, _IDLE_INTERVAL))
            report.label(label, "an unknown label", f"one of {', '.join(known)}", hint)
    if triggers:
        spec["triggers"] = triggers
    else:
        report.label(f"{TRIGGER}TYPE", "nothing", "at least one trigger")
        report.broken.add(("spec", "triggers"))
    return mapping(spec)


def _trigger(report: _LabelReport, label: str, text: str) -> Any:
    type_, _, name = label.removeprefix(TRIGGER).partition(".")
    trigger: dict[str, Any] = {"type": Scalar(type_, plain=True)}
    if name:
        trigger["name"] = Scalar(name, plain=True)
    metadata = _parameters(report, label, text)
    if "metricType" in metadata:
        trigger["metricType"] = metadata.pop("metricType")
    return trigger | {"metadata": metadata}


def _parameters(report: _LabelReport, label: str, text: str) -> Any:
    try:
        return parameters(text)
    except Unreadable as flaw:
        report.label(label, flaw.found, flaw.expected, flaw.hint)
        report.unreadable.add(label)
        return mapping({})


@dataclass
class _LabelReport(Report):
    """Says of each problem in which label it is.

    Attributes:
        triggers: The label of each trigger.
        unreadable: Labels that were reported as a whole.
    """

    triggers: list[str] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)

    def label(self, label: str, found: str, expected: str, hint: str = "") -> None:
        """Add a problem of a whole label."""
        place = dotted(("labels", label))
        self.problems.append(Problem(self.document.location, place, found, expected, hint))

    def is_broken(self, path: Path) -> bool:
        """See `Report.is_broken`."""
        return self._labelled(path)[1:2] in {(label,) for label in self.unreadable} or super().is_broken(path)

    def shown(self, path: Path) -> str:
        """See `Report.shown`."""
        return dotted(self._labelled(path))

    def worded(self, text: str) -> str:
        """See `Report.worded`."""
        for name, label in _LABELS.items():
            text = text.replace(name, label)
        return text

    def _labelled(self, path: Path) -> Path:
        """Return the label in which something of the ScaledObject stands, and where in it."""
        match path:
            case ("spec", "triggers", int(index), "metadata", *inner):
                return ("labels", self.triggers[index], *inner)
            case ("spec", "triggers", int(index), "metricType"):
                return ("labels", self.triggers[index], "metricType")
            case ("spec", "triggers", int(index), *_):
                return ("labels", self.triggers[index])
            case ("spec", str(name), *inner) if name in _LABELS:
                return ("labels", _LABELS[name], *inner)
        return ("labels",)

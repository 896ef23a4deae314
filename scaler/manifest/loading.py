"""All documents of all files become workloads; all problems are found in one go."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaler.manifest.aca.domains import check_hosts
from scaler.manifest.aca.workload import DeclaredApp, declare_app, reject_own_scaling, self_scaled
from scaler.manifest.certificates import Certificates
from scaler.manifest.checking import check
from scaler.manifest.declared import Environment
from scaler.manifest.files import ManifestFiles
from scaler.manifest.keda.authentication import ConfigMap, KubernetesSecret, TriggerAuthentication
from scaler.manifest.keda.objects import CLUSTER, NAMESPACED, KubernetesObjects
from scaler.manifest.keda.workload import DeclaredScaling, declare_scaling, scaled_workload
from scaler.manifest.kinds import DocumentKind, kind_of
from scaler.manifest.kubernetes_list import items_of
from scaler.manifest.located import Document
from scaler.manifest.parsed import Parsed
from scaler.manifest.problems import Report, closest, describe, dotted, listed
from scaler.manifest.traffic import APP_KIND
from scaler.manifest.triggers import Scalers
from scaler.manifest.values import Outside, OutsideValues
from scaler.manifest.yaml_documents import Flaw
from scaler.model import COMPOSE_SERVICE, App, ForeignTarget, SourceLocation, Workload
from scaler.ports.errors import InvalidManifest, Problem


@dataclass(frozen=True)
class Manifests:
    """What the manifests say.

    Attributes:
        workloads: In the order of the documents.
        warnings: What is in the manifests but not used, harmlessly.
        files: Every file and folder that was looked at, those with secret values included; a change of one of them
            may change the rest.
    """

    workloads: tuple[Workload, ...]
    warnings: tuple[Problem, ...]
    files: tuple[Path, ...]


def load(
    paths: Sequence[Path],
    *,
    scalers: Scalers,
    environ: Mapping[str, str],
    strict: bool = False,
    outside: Outside = Outside.REQUIRED,
    certificates: Path | None = None,
    parsed: Parsed | None = None,
) -> Manifests:
    """Read manifests.

    Args:
        paths: Files, and folders of `*.yaml` and `*.yml` files.
        scalers: By type: the plugin, or why it cannot be used (which concerns its users only).
        environ: The service's environment, for secret values.
        strict: Take warnings for errors.
        outside: OPTIONAL when the manifests are only looked at: what they refer to and is not here is then a warning,
            and its place is taken by something that fits.
        certificates: The ingress' folder of certificates; None when it is not known, and those that manifests name
            are not looked for.
        parsed: What earlier calls parsed. All checks are made again whatever is known.

    Raises:
        InvalidManifest: Something is wrong; it carries all problems, warnings among them.
    """
    loading = _Loading(scalers, OutsideValues(environ, outside), Certificates(certificates, outside))
    if parsed:
        parsed.begin()
    files = ManifestFiles(parsed)
    for file, part in files.read(paths):
        loading.add(file, part)
    workloads = loading.workloads()
    if not loading.documents and all(problem.warning for problem in loading.problems):
        where = SourceLocation(str(paths[0]) if paths else "-", 1, 1)
        loading.problems.append(Problem(where, "", "no document", "at least one manifest"))
    problems = loading.sorted_problems()
    if any(strict or not problem.warning for problem in problems):
        raise InvalidManifest(problems)
    return Manifests(workloads, problems, (*files.visited, *sorted(loading.outside.files | loading.certificates.files)))


class _Loading:
    """The documents by what they declare."""

    def __init__(self, scalers: Scalers, outside: OutsideValues, certificates: Certificates) -> None:
        self.scalers = scalers
        self.outside = outside
        self.certificates = certificates
        self.problems: list[Problem] = []
        self.documents = 0
        self._files: dict[str, int] = {}
        self._objects = KubernetesObjects(outside)
        self._apps: dict[str, DeclaredApp] = {}
        self._scalings: list[DeclaredScaling] = []
        self._declared: list[DeclaredApp | DeclaredScaling] = []

    def add(self, file: str, part: Document | Flaw) -> None:
        """Take in one document, or what is wrong with a file."""
        self._files.setdefault(file, len(self._files))
        if isinstance(part, Flaw):
            location = SourceLocation(file, part.line, part.column)
            self.problems.append(
                Problem(location, dotted(part.path), part.found, part.expected, part.hint, part.warning)
            )
            return
        report = Report(part, self.problems)
        items = items_of(report)
        if items is not None:
            for item in items:
                self.add(file, item)
            return
        self.documents += 1
        kind = kind_of(report)
        if kind is DocumentKind.APP:
            self._add_app(declare_app(report, self.outside, self.certificates))
        elif kind is DocumentKind.SCALED_OBJECT:
            self._declared.append(declare_scaling(report))
        elif kind is DocumentKind.SECRET:
            self._objects.add_secret(report, check(report, KubernetesSecret, part.data))
        elif kind is DocumentKind.CONFIG_MAP:
            self._objects.add_config_map(report, check(report, ConfigMap, part.data))
        elif kind is not None:
            scope = CLUSTER if kind is DocumentKind.CLUSTER_TRIGGER_AUTHENTICATION else NAMESPACED
            self._objects.add_authentication(report, scope, check(report, TriggerAuthentication, part.data))

    def workloads(self) -> tuple[Workload, ...]:
        """Put together what the documents declare."""
        check_hosts({name: app.report for name, app in self._apps.items() if name and app.app.ingress is not None})
        scaled_by: dict[tuple[str, str, str], DeclaredScaling] = {}
        surplus = [
            scaling
            for scaling in self._declared
            if isinstance(scaling, DeclaredScaling) and not self._claim(scaled_by, scaling)
        ]
        found: dict[str, Workload] = {}
        for declared in self._declared:
            workload = self._workload(declared, scaled_by)
            if workload is None or not workload.name or declared in surplus:
                continue
            first = found.setdefault(workload.name, workload)
            if first is not workload:
                self._reject_name(declared, first.location)
        return tuple(found.values())

    def sorted_problems(self) -> tuple[Problem, ...]:
        """Return each problem once, in the order of the files and their lines."""

        def position(problem: Problem) -> tuple[int, int, int]:
            place = problem.location
            return self._files.get(place.file, 0), place.line, place.column

        return tuple(sorted(dict.fromkeys(self.problems), key=position))

    def _add_app(self, app: DeclaredApp) -> None:
        self._declared.append(app)
        first = self._apps.setdefault(app.name, app)
        if app.name and first is not app:
            self._reject_name(app, first.report.document.location)

    @staticmethod
    def _reject_name(declared: DeclaredApp | DeclaredScaling, first: SourceLocation | None) -> None:
        path = ("name",) if isinstance(declared, DeclaredApp) else ("metadata", "name")
        found = f"{describe(declared.name)} a second time"
        declared.report.error(path, "a name of its own for each workload", found=found, hint=f"first at {first}")
        declared.report.broken.add(path)

    def _claim(self, scaled_by: dict[tuple[str, str, str], DeclaredScaling], scaling: DeclaredScaling) -> bool:
        if not scaling.target.name:
            return True
        namespace = "" if scaling.kind in {APP_KIND, COMPOSE_SERVICE} else scaling.namespace
        other = scaled_by.setdefault((scaling.kind, namespace, scaling.target.name), scaling)
        if other is scaling:
            return True
        hint = f"the other one is at {other.report.document.location}"
        scaling.report.error(("spec", "scaleTargetRef", "name"), "one ScaledObject for each target", hint=hint)
        return False

    def _workload(
        self, declared: DeclaredApp | DeclaredScaling, scaled_by: dict[tuple[str, str, str], DeclaredScaling]
    ) -> Workload | None:
        if isinstance(declared, DeclaredApp):
            scaling = scaled_by.get((APP_KIND, "", declared.name))
            if scaling is None:
                return self_scaled(declared, self.scalers)
            reject_own_scaling(declared, str(scaling.report.document.location))
            return None
        return self._scaled(declared)

    def _scaled(self, declared: DeclaredScaling) -> Workload | None:
        name = declared.target.name or ""
        target: App | ForeignTarget = ForeignTarget(declared.kind, name)
        optional = self.outside.presence is Outside.OPTIONAL
        environment = Environment(dict(self.outside.environ), "the service's environment", optional=optional)
        if declared.kind == COMPOSE_SERVICE and name and not re.fullmatch(r"[a-z0-9][a-z0-9_-]*/[^/\s]+", name):
            declared.report.error(("spec", "scaleTargetRef", "name"), "a compose service as PROJECT/SERVICE")
        app = self._apps.get(name) if declared.kind == APP_KIND else None
        lost = declared.kind == APP_KIND and app is None
        if app is not None:
            target, environment = app.app, app.environment
        elif lost:
            environment = Environment(None, "the app's env")
            if name and "" not in self._apps:
                expected = f"the name of a ContainerApp of these manifests ({listed(self._apps)})"
                hint = closest(name, self._apps)
                declared.report.error(("spec", "scaleTargetRef", "name"), expected, hint=hint)
        workload = scaled_workload(
            declared,
            name=declared.name if app is None else app.name,
            target=target,
            environment=environment,
            objects=self._objects,
            scalers=self.scalers,
        )
        return None if lost else workload

"""What ScaledObjects refer to, found by kind, namespace and name."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field

from scaler.manifest.declared import Authentication, AuthParameter, Environment
from scaler.manifest.keda.authentication import ConfigMap, KeyRef, KubernetesSecret, TriggerAuthentication
from scaler.manifest.keda.documents import Metadata
from scaler.manifest.located import Path
from scaler.manifest.problems import Report, closest, describe, listed
from scaler.manifest.values import UNKNOWN, OutsideValues, Unknown, ValueMissing

DEFAULT_NAMESPACE = "default"
# Where KEDA is usually installed; it looks up what a ClusterTriggerAuthentication names there.
CLUSTER_NAMESPACE = "keda"
NAMESPACED, CLUSTER = "TriggerAuthentication", "ClusterTriggerAuthentication"

Key = tuple[str, str]


@dataclass
class KubernetesObjects:
    """The objects of all documents; a value of None is missing and has been reported."""

    outside: OutsideValues
    secrets: dict[Key, dict[str, str | None]] = field(default_factory=dict, repr=False)
    config_maps: dict[Key, dict[str, str | None]] = field(default_factory=dict, repr=False)
    authentications: dict[tuple[str, str, str], tuple[Report, TriggerAuthentication]] = field(default_factory=dict)

    def add_secret(self, report: Report, secret: KubernetesSecret) -> None:
        """Add a Secret; `stringData` wins over `data`."""
        values: dict[str, str | None] = {}
        for key, encoded in (secret.data or {}).items():
            values[key] = None
            try:
                decoded = base64.b64decode("".join(encoded.get_secret_value().split()), validate=True)
                values[key] = decoded.decode()
            except (binascii.Error, ValueError):
                hint = "stringData takes plain text"
                report.error(("data", key), "base64 of UTF-8 text", found="a value that is not shown", hint=hint)
        for key, text in (secret.string_data or {}).items():
            values[key] = None
            try:
                values[key] = self.outside.resolve(text.get_secret_value(), report.document.file)
            except ValueMissing as missing:
                values[key] = self.outside.lacks(report, ("stringData", key), missing)
        self._add(report, self.secrets, secret.metadata, values)

    def add_config_map(self, report: Report, config_map: ConfigMap) -> None:
        """Add a ConfigMap."""
        self._add(report, self.config_maps, config_map.metadata, dict(config_map.data or {}))

    def add_authentication(self, report: Report, kind: str, authentication: TriggerAuthentication) -> None:
        """Add a TriggerAuthentication or a ClusterTriggerAuthentication."""
        namespace, name = identity(authentication.metadata)
        key = (kind, "" if kind == CLUSTER else namespace, name)
        if key in self.authentications:
            report.error(("metadata", "name"), "each object once", found=f"{kind} {describe(name)} a second time")
        self.authentications[key] = (report, authentication)

    def parameters(
        self, report: Report, path: Path, *, kind: str, namespace: str, name: str, environment: Environment
    ) -> Authentication:
        """Return what an `authenticationRef` at a path gives."""
        if kind not in {NAMESPACED, CLUSTER}:
            report.error((*path, "kind"), f"{NAMESPACED} or {CLUSTER}", hint=closest(kind, (NAMESPACED, CLUSTER)))
            return Authentication(None)
        scope = "" if kind == CLUSTER else namespace
        if (kind, scope, name) not in self.authentications:
            names = [known[2] for known in self.authentications if known[:2] == (kind, scope)]
            where = "" if kind == CLUSTER else f" in namespace {namespace!r}"
            expected = f"the name of a {kind} of these manifests{where} ({listed(names)})"
            if environment.optional:
                report.unchecked((*path, "name"), expected, f"the {kind}", hint=closest(name, names))
                return Authentication(unknown=True)
            report.error((*path, "name"), expected, hint=closest(name, names))
            return Authentication(None)
        namespaces = [CLUSTER_NAMESPACE, DEFAULT_NAMESPACE] if kind == CLUSTER else [namespace]
        return _Collection(self, *self.authentications[kind, scope, name], namespaces, environment).authentication()

    def _add(
        self,
        report: Report,
        known: dict[Key, dict[str, str | None]],
        metadata: Metadata | None,
        values: dict[str, str | None],
    ) -> None:
        key = identity(metadata)
        if key in known:
            report.error(("metadata", "name"), "each object once", found=f"{describe(key[1])} a second time")
        known[key] = values


def identity(metadata: Metadata | None) -> Key:
    """Return namespace and name."""
    return (metadata and metadata.namespace) or DEFAULT_NAMESPACE, (metadata and metadata.name) or ""


class _Collection:
    """One authentication's parameters; what is missing is reported where the authentication names it."""

    def __init__(
        self,
        objects: KubernetesObjects,
        report: Report,
        authentication: TriggerAuthentication,
        namespaces: list[str],
        environment: Environment,
    ) -> None:
        self._objects = objects
        self._report = report
        self._spec = authentication.spec
        self._namespaces = namespaces
        self._environment = environment
        self._parameters: dict[str, AuthParameter | None] = {}

    def authentication(self) -> Authentication:
        if self._spec is None:
            return Authentication({})
        for index, variable in enumerate(self._spec.env or []):
            path: Path = ("spec", "env", index)
            self._environment.check_container(self._report, (*path, "containerName"), variable.container_name)
            if variable.parameter and variable.name:
                value = self._variable((*path, "name"), variable.name)
                self._give(variable.parameter, value, (*path, "parameter"))
        for name, refs, objects in (
            ("configMapTargetRef", self._spec.config_map_target_ref, self._objects.config_maps),
            ("secretTargetRef", self._spec.secret_target_ref, self._objects.secrets),
        ):
            for index, ref in enumerate(refs or []):
                path = ("spec", name, index)
                if ref.parameter and ref.name and ref.key:
                    self._give(ref.parameter, self._keyed(path, ref, objects), (*path, "parameter"))
        return self._with_file(self._spec.file_path) if self._spec.file_path else Authentication(self._parameters)

    def _give(self, parameter: str, value: str | None, path: Path) -> None:
        self._parameters[parameter] = None if value is None else AuthParameter(value, self._report, path)

    def _variable(self, path: Path, name: str) -> str | None:
        variables = self._environment.variables
        if variables is None or name in variables:
            return None if variables is None else variables[name]
        expected, hint = f"a variable of {self._environment.origin}", closest(name, variables)
        return self._lacks(path, expected, "the variable", hint)

    def _keyed(self, path: Path, ref: KeyRef, objects: dict[Key, dict[str, str | None]]) -> str | None:
        name, key = ref.name or "", ref.key or ""
        kind = "Secret" if objects is self._objects.secrets else "ConfigMap"
        places = [objects[namespace, name] for namespace in self._namespaces if (namespace, name) in objects]
        if not places:
            names = [known for namespace, known in objects if namespace in self._namespaces]
            expected = f"a {kind} of these manifests in namespace {' or '.join(map(repr, self._namespaces))}"
            return self._lacks((*path, "name"), f"{expected} ({listed(names)})", f"the {kind}", closest(name, names))
        if key not in places[0]:
            expected = f"a key of {kind} {describe(name)} ({listed(places[0])})"
            self._report.error((*path, "key"), expected, hint=closest(key, places[0]))
        return places[0].get(key)

    def _with_file(self, name: str) -> Authentication:
        path: Path = ("spec", "filePath")
        try:
            content = json.loads(self._objects.outside.read(name, self._report.document.file))
        except ValueMissing as missing:
            if self._objects.outside.lacks(self._report, path, missing) is None:
                return Authentication(None)
            return Authentication(self._parameters, unknown=True)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
            self._report.error(path, "a file with a JSON object of texts", found="a file with something else")
            return Authentication(None)
        for parameter, value in content.items():
            self._give(parameter, value, path)
        return Authentication(self._parameters)

    def _lacks(self, path: Path, expected: str, subject: str, hint: str) -> Unknown | None:
        if self._environment.optional:
            self._report.unchecked(path, expected, subject, hint=hint)
            return UNKNOWN
        self._report.error(path, expected, hint=hint)
        return None

"""Triggers as documents declare them, before a scaler has seen them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scaler.manifest.located import Path
from scaler.manifest.problems import Report
from scaler.model import MetricType


@dataclass(frozen=True, slots=True)
class AuthParameter:
    """A value from a secret, environment variable or file, and the path to blame for it."""

    value: str = field(repr=False)
    path: Path


@dataclass(frozen=True, slots=True)
class Environment:
    """Where `<name>FromEnv` is looked up.

    Attributes:
        variables: By name; one that is unusable is None and has been reported. None when the whole is unknown, which
            has been reported too.
        origin: What to call the place.
        container: The name of the container that they belong to; None for the service's own environment.
    """

    variables: Mapping[str, str | None] | None = field(repr=False)
    origin: str
    container: str | None = None

    def check_container(self, report: Report, path: Path, name: str | None) -> None:
        """Report a container's name that means another container, or none at all."""
        if name is None or name == self.container or self.variables is None:
            return
        if self.container is None:
            report.warn(path, "the field to be absent", found="the field", hint=f"ignored: {self.origin} counts")
        else:
            report.error(path, f"the name of the app's container ({self.container})")


@dataclass(frozen=True, slots=True)
class TriggerSource:
    """A trigger as a document has it: ACA's rule or KEDA's trigger.

    Attributes:
        path: Of the mapping with `type` and `metadata`.
        name_path: Of its name.
        type: The scaler's type.
        name: Unique within the workload.
        metadata: As written.
        auth: By parameter name; None for a value that is missing and has been reported. None when the whole is missing,
            which has been reported too.
        metric_type: How values are used.
    """

    path: Path
    name_path: Path
    type: str
    name: str
    metadata: Mapping[str, str]
    auth: Mapping[str, AuthParameter | None] | None
    metric_type: MetricType = MetricType.AVERAGE_VALUE

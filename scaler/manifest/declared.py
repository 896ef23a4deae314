"""Triggers as documents declare them, before a scaler has seen them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scaler.manifest.located import Path
from scaler.manifest.problems import Report
from scaler.model import MetricType


@dataclass(frozen=True, slots=True)
class AuthParameter:
    """A value from a secret, environment variable or file, and where a manifest says which parameter it is for."""

    value: str = field(repr=False)
    report: Report = field(repr=False)
    path: Path


@dataclass(frozen=True, slots=True)
class Authentication:
    """What a trigger gets besides its metadata.

    Attributes:
        parameters: By name; None for a value that is missing and has been reported. None when the whole is missing,
            which has been reported too.
        unknown: It may give more parameters, which are not here.
    """

    parameters: Mapping[str, AuthParameter | None] | None = field(default_factory=dict, repr=False)
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Environment:
    """Where `<name>FromEnv` is looked up.

    Attributes:
        variables: By name; one that is unusable is None and has been reported. None when the whole is unknown, which
            has been reported too.
        origin: What to call the place.
        container: The name of the container that they belong to; None for the service's own environment.
        optional: What is not here may be where the target runs.
    """

    variables: Mapping[str, str | None] | None = field(repr=False)
    origin: str
    container: str | None = None
    optional: bool = False

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
        auth: Its authentication parameters.
        metric_type: How values are used; None when it does not say.
    """

    path: Path
    name_path: Path
    type: str
    name: str
    metadata: Mapping[str, str]
    auth: Authentication
    metric_type: MetricType | None = None

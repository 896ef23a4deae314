"""What manifests and labels say, read with the scalers that are installed."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from scaler import actuating, labelled, manifest
from scaler.actuators.compose.actuator import ComposeActuator
from scaler.engine import plugins
from scaler.engine.reload import Configuration, stamps
from scaler.manifest import Outside
from scaler.manifest.compose.labels import LabelledScaling
from scaler.model import ForeignTarget, SourceLocation, Workload
from scaler.ports.errors import ConfigError, InvalidManifest, Problem

log = structlog.get_logger(__name__)

# Once a process: what manifests are checked with at an edit is what the loops were made with.
installed_scalers = functools.cache(plugins.discover)


def load_manifests(
    paths: Sequence[Path],
    *,
    strict: bool = False,
    outside: Outside = Outside.REQUIRED,
    certificates: Path | None = None,
    parsed: manifest.Parsed | None = None,
) -> manifest.Manifests:
    """Read manifests with the installed scalers and the service's environment.

    Only who does not run them may take what they refer to as optional. What `parsed` knows is not parsed again.

    Raises:
        InvalidManifest: At least one problem.
    """
    return manifest.load(
        paths,
        scalers=installed_scalers(),
        environ=os.environ,
        strict=strict,
        outside=outside,
        certificates=certificates,
        parsed=parsed,
    )


async def load_labels() -> tuple[LabelledScaling, ...]:
    """Read the labels of the compose services that exist now.

    Raises:
        EngineUnavailable: The engine does not answer.
    """
    async with ComposeActuator() as compose:
        return await labelled.read(compose, installed_scalers())


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of manifests, for the installed scalers."""
    return manifest.json_schema(installed_scalers())


def load_configuration(
    paths: Sequence[Path],
    *,
    strict: bool = False,
    compose: bool = False,
    certificates: Path | None = None,
    parsed: manifest.Parsed | None = None,
) -> Configuration:
    """Read what a service is to run; warnings are logged. What `parsed` knows is not parsed again.

    Raises:
        InvalidManifest: At least one problem.
    """
    before = stamps(paths)
    if compose and not paths:
        return Configuration((), (), before)
    loaded = load_manifests(paths, strict=strict, certificates=certificates, parsed=parsed)
    for warning in loaded.warnings:
        log.warning("manifest_warning", problem=str(warning))
    foreign = [
        Problem(
            location=workload.location or SourceLocation("manifest", 1, 1),
            path="spec.scaleTargetRef",
            found=f"{workload.target.kind} {workload.target.name!r}",
            expected="the kind ContainerApp with an app of the same manifests, or ComposeService",
            hint=f"running a {workload.target.kind} is not supported yet; validate and simulate take it",
        )
        for workload in loaded.workloads
        if isinstance(workload.target, ForeignTarget) and workload.target.kind not in actuating.FOREIGN_KINDS
    ]
    if foreign:
        raise InvalidManifest(foreign)
    return Configuration(loaded.workloads, loaded.files, before)


def choose_workload(workloads: Sequence[Workload], name: str | None) -> Workload:
    """Return the workload of that name, or the only one.

    Raises:
        ConfigError: There is no such one, or several and no name.
    """
    names = [workload.name for workload in workloads]
    if name is None and len(names) == 1:
        return workloads[0]
    for workload in workloads:
        if workload.name == name:
            return workload
    wanted = f"no workload {name!r}" if name else "several workloads"
    raise ConfigError(f"the manifest has {wanted}; choose one with --workload: {', '.join(names)}")

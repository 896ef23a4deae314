"""Triggers on the replicas' own use against the containers that are to be used."""

from __future__ import annotations

from scaler.manifest.located import Path
from scaler.manifest.problems import Report, closest, listed
from scaler.model import COMPOSE_SERVICE, App, ForeignTarget, MetricType, Resource
from scaler.ports.scaler import ReplicaConfig, ReplicaScaler


def check_limits(
    report: Report,
    path: Path,
    *,
    scaler: type[ReplicaScaler[ReplicaConfig]],
    config: ReplicaConfig,
    metric_type: MetricType,
    target: App | ForeignTarget,
) -> None:
    """Report a container that does not exist, and a utilization of what has no limit.

    What runs elsewhere is not known here: without a limit its trigger stays unknown, and says so. A replica of a
    compose service is one container, called as the service.
    """
    name = config.container()
    names, owner = _containers(target)
    if name is not None and names and name not in names:
        expected = f"the name of a container of the {owner} ({listed(names)})"
        report.error((*path, "metadata", "containerName"), expected, hint=closest(name, names))
        return
    if metric_type is not MetricType.UTILIZATION or not isinstance(target, App):
        return
    field = "cpu" if scaler.resource is Resource.CPU else "memory"
    for container in target.containers:
        limits = container.resources
        limit = limits.cpu_cores if scaler.resource is Resource.CPU else limits.memory_bytes
        if name in {None, container.name} and limit is None:
            expected = f"resources.{field} in the container {container.name}, which a Utilization is a share of"
            hint = f"declare resources.{field}, or use AverageValue"
            report.error((*path, "type"), expected, found=f"Utilization of {field} without a limit", hint=hint)


def _containers(target: App | ForeignTarget) -> tuple[list[str], str]:
    """Return the names of a replica's containers, none where they are not known, and what they belong to."""
    if isinstance(target, App):
        return [container.name for container in target.containers], "app"
    return [target.name.partition("/")[2]] if target.kind == COMPOSE_SERVICE else [], "service"

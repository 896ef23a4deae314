"""An Azure Container Apps template becomes an `App`: what a replica is made of."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import SecretStr

from scaler.manifest.aca.documents import Configuration, ContainerApp, RevisionsMode, Template
from scaler.manifest.aca.probes import build_probes
from scaler.manifest.aca.routing import build_ingress
from scaler.manifest.aca.secrets import AppSecrets
from scaler.manifest.aca.template import Container, StorageType
from scaler.manifest.aca.template import Volume as VolumeModel
from scaler.manifest.certificates import Certificates
from scaler.manifest.declared import Environment
from scaler.manifest.located import Path
from scaler.manifest.problems import NOT_YET, Report, closest, describe, listed
from scaler.manifest.values import OutsideValues
from scaler.model import (
    App,
    EnvVar,
    Registry,
    Resources,
    Volume,
    VolumeKind,
    VolumeMount,
)
from scaler.model import Container as ModelContainer
from scaler.ports.quantities import parse_quantity

_CONFIGURATION: Path = ("properties", "configuration")
_TEMPLATE: Path = ("properties", "template")


def build_app(
    report: Report, app: ContainerApp, secrets: AppSecrets, outside: OutsideValues, certificates: Certificates
) -> tuple[App, Environment]:
    """Return what a replica is made of, and the environment that scalers may look into."""
    properties = app.properties
    configuration = (properties and properties.configuration) or Configuration()
    template = (properties and properties.template) or Template()
    if configuration.active_revisions_mode not in {None, RevisionsMode.SINGLE}:
        report.error((*_CONFIGURATION, "activeRevisionsMode"), "Single", hint=f"several active revisions are {NOT_YET}")
    registries = tuple(_registries(report, configuration, secrets))
    volumes = tuple(_volumes(report, template, secrets))
    containers = [
        _container(report, (*_TEMPLATE, "containers", index), container, volumes, secrets)
        for index, container in enumerate(_named(template.containers or [], app.name or ""))
    ]
    if template.containers == []:
        report.error((*_TEMPLATE, "containers"), "a list with one container", found="an empty list")
    if len(containers) > 1:
        hint = f"several containers are {NOT_YET}"
        report.error((*_TEMPLATE, "containers", 1), "one container", found="a second container", hint=hint)
    grace, suffix = template.termination_grace_period_seconds, template.revision_suffix or ""
    revision = f"{app.name}--{suffix}" if suffix else ""
    ingress = build_ingress(
        report, configuration.ingress, revision=revision, outside=outside, certificates=certificates
    )
    built = App(
        containers=tuple(container for container, _ in containers),
        volumes=volumes,
        registries=registries,
        termination_grace_period_s=30.0 if grace is None else float(grace),
        revision_suffix=suffix,
        ingress=ingress,
    )
    variables = containers[0][1] if containers else {}
    name = containers[0][0].name if containers else ""
    return built, Environment(variables, "the first container's env", name)


def _named(containers: list[Container], app_name: str) -> list[Container]:
    """A container without a name has its app's."""
    return [item if item.name else item.model_copy(update={"name": app_name}) for item in containers]


def _registries(report: Report, configuration: Configuration, secrets: AppSecrets) -> Iterable[Registry]:
    servers: set[str] = set()
    for index, registry in enumerate(configuration.registries or []):
        path: Path = (*_CONFIGURATION, "registries", index)
        password = secrets.use((*path, "passwordSecretRef"), registry.password_secret_ref)
        if registry.server is None:
            continue
        if registry.server in servers:
            report.error((*path, "server"), "each registry once")
        servers.add(registry.server)
        yield Registry(registry.server, registry.username or "", SecretStr(password or ""))


def _volumes(report: Report, template: Template, secrets: AppSecrets) -> Iterable[Volume]:
    names: set[str] = set()
    for index, volume in enumerate(template.volumes or []):
        path: Path = (*_TEMPLATE, "volumes", index)
        if volume.name is None:
            continue
        if volume.name in names:
            report.error((*path, "name"), "each volume once")
        names.add(volume.name)
        kind = volume.storage_type or StorageType.EMPTY_DIR
        if kind is StorageType.SECRET:
            yield Volume(volume.name, VolumeKind.SECRET, _secret_files(report, path, volume, secrets))
            continue
        if kind is not StorageType.EMPTY_DIR:
            report.error((*path, "storageType"), "EmptyDir or Secret", hint=f"{kind} volumes are {NOT_YET}")
        if volume.secrets:
            report.error((*path, "secrets"), "storageType Secret", found="secrets of a volume of another type")
        yield Volume(volume.name, VolumeKind.EMPTY_DIR)


def _secret_files(report: Report, path: Path, volume: VolumeModel, secrets: AppSecrets) -> dict[str, SecretStr]:
    if volume.secrets is None:
        return {name: SecretStr(value or "") for name, value in secrets.values.items()}
    files: dict[str, SecretStr] = {}
    for index, file in enumerate(volume.secrets):
        here: Path = (*path, "secrets", index)
        value = secrets.use((*here, "secretRef"), file.secret_ref)
        name = file.path or file.secret_ref or ""
        if name in files:
            report.error((*here, "path"), "a path of its own for each secret", found=describe(name) + " a second time")
        files[name] = SecretStr(value or "")
    return files


def _container(
    report: Report, path: Path, container: Container, volumes: tuple[Volume, ...], secrets: AppSecrets
) -> tuple[ModelContainer, dict[str, str | None]]:
    variables = _environment(report, path, container, secrets)
    built = ModelContainer(
        name=container.name or "",
        image=container.image or "",
        command=tuple(container.command or ()),
        args=tuple(container.args or ()),
        env=tuple(EnvVar(name, SecretStr(value or "")) for name, value in variables.items()),
        resources=_resources(report, path, container),
        probes=build_probes(report, path, container.probes or []),
        volume_mounts=tuple(_mounts(report, path, container, [volume.name for volume in volumes])),
    )
    return built, variables


def _environment(report: Report, path: Path, container: Container, secrets: AppSecrets) -> dict[str, str | None]:
    variables: dict[str, str | None] = {}
    for index, variable in enumerate(container.env or []):
        here: Path = (*path, "env", index)
        if variable.name is None:
            continue
        if variable.name in variables:
            report.warn(
                here, "each variable once", found=f"{describe(variable.name)} a second time", hint="the last wins"
            )
        if variable.value is not None and variable.secret_ref is not None:
            report.error(here, "either value or secretRef", found="both")
        if variable.secret_ref is not None:
            variables[variable.name] = secrets.use((*here, "secretRef"), variable.secret_ref)
        elif report.is_broken((*here, "value")) or report.is_broken((*here, "secretRef")):
            variables[variable.name] = None
        else:
            variables[variable.name] = variable.value.get_secret_value() if variable.value else ""
    return variables


def _resources(report: Report, path: Path, container: Container) -> Resources:
    resources = container.resources
    if resources is None:
        return Resources()
    memory = None
    if resources.memory is not None:
        quantity = parse_quantity(resources.memory)
        if quantity is None or quantity < 1:
            report.error((*path, "resources", "memory"), "a quantity such as 0.5Gi or 256Mi")
        else:
            memory = int(quantity)
    return Resources(cpu_cores=resources.cpu, memory_bytes=memory)


def _mounts(report: Report, path: Path, container: Container, volumes: list[str]) -> Iterable[VolumeMount]:
    places: set[str] = set()
    for index, mount in enumerate(container.volume_mounts or []):
        here: Path = (*path, "volumeMounts", index)
        if mount.volume_name not in {None, *volumes} and not report.is_broken((*_TEMPLATE, "volumes")):
            expected = f"the name of a volume ({listed(volumes)})"
            report.error((*here, "volumeName"), expected, hint=closest(mount.volume_name or "", volumes))
        if mount.volume_name is None or mount.mount_path is None:
            continue
        if mount.mount_path in places:
            report.error((*here, "mountPath"), "a path of its own for each mount")
        places.add(mount.mount_path)
        yield VolumeMount(mount.volume_name, mount.mount_path, mount.sub_path)

"""The schema of a replica in an Azure Container Apps manifest: containers, probes and volumes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from scaler.manifest.fields import (
    AS_INTEGER,
    AS_NUMBER,
    DocumentModel,
    Ignored,
    Needed,
    Refused,
    Secret,
    Text,
    Unused,
    matching,
    one_of,
)
from scaler.manifest.problems import NOT_YET
from scaler.model import ProbeKind

_NO_EXEC = "Azure Container Apps has HTTP and TCP probes only"
_DNS_LABEL = matching(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", "at most 63 lower-case letters, digits and '-'", max_length=63)
_ENV_NAME = matching(r"[!-<>-~]+", "printable ASCII without '='")
_ABSOLUTE = matching(r"/(?!.*(^|/)\.\.(/|$))[^:\0]*", "an absolute path without '..' and ':'", max_length=4096)
_RELATIVE = matching(r"(?!/)(?!(.*/)?\.\.(/|$))[^\0]+", "a relative path without '..'", max_length=4096)
Port = Annotated[int, Field(ge=1, le=65535), AS_INTEGER]


class Scheme(StrEnum):
    """Of an HTTP probe."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"


class StorageType(StrEnum):
    """What a volume is made of."""

    EMPTY_DIR = "EmptyDir"
    SECRET = "Secret"  # noqa: S105 - the name of a storage type
    AZURE_FILE = "AzureFile"
    NFS_AZURE_FILE = "NfsAzureFile"
    SMB = "Smb"


class EnvironmentVariable(DocumentModel):
    """`env[]`: a value or the name of a secret; neither means an empty value."""

    name: Annotated[Annotated[str, matching(r"[!-<>-~]+", "printable ASCII without '='")] | None, Needed("a name")] = (
        None
    )
    value: Secret | None = None
    secret_ref: Text | None = None


class ContainerResources(DocumentModel):
    """`resources`: limits."""

    cpu: Annotated[float, Field(gt=0, le=1024), AS_NUMBER] | None = None
    memory: Text | None = None
    ephemeral_storage: Annotated[Unused, Ignored("it is a read-only field of Azure")] = None
    gpu: Annotated[Unused, Refused()] = None


class Mount(DocumentModel):
    """`volumeMounts[]`."""

    volume_name: Annotated[Text | None, Needed("the name of a volume")] = None
    mount_path: Annotated[Annotated[str, _ABSOLUTE] | None, Needed("an absolute path")] = None
    sub_path: Annotated[str, _RELATIVE] | None = None


class Header(DocumentModel):
    """`httpHeaders[]`; a value may be a credential."""

    name: Annotated[
        Annotated[str, matching(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", "the name of an HTTP header")] | None, Needed("a name")
    ] = None
    value: Annotated[Secret | None, Needed()] = None


class HttpProbe(DocumentModel):
    """`httpGet`."""

    port: Annotated[Port | None, Needed("a port number")] = None
    path: Annotated[str, matching(r"/[^\s\0]*", "a path that begins with /", max_length=4096)] | None = None
    scheme: Annotated[Scheme, one_of(Scheme)] | None = None
    host: Text | None = None
    http_headers: list[Header] | None = None


class TcpProbe(DocumentModel):
    """`tcpSocket`."""

    port: Annotated[Port | None, Needed("a port number")] = None
    host: Text | None = None


class ContainerProbe(DocumentModel):
    """`probes[]`, with the limits of Azure Container Apps."""

    type: Annotated[Annotated[ProbeKind, one_of(ProbeKind)] | None, Needed("Liveness, Readiness or Startup")] = None
    http_get: HttpProbe | None = None
    tcp_socket: TcpProbe | None = None
    initial_delay_seconds: Annotated[int, Field(ge=0, le=60), AS_INTEGER] | None = None
    period_seconds: Annotated[int, Field(ge=1, le=240), AS_INTEGER] | None = None
    timeout_seconds: Annotated[int, Field(ge=1, le=240), AS_INTEGER] | None = None
    failure_threshold: Annotated[int, Field(ge=1, le=1000), AS_INTEGER] | None = None
    success_threshold: Annotated[int, Field(ge=1, le=10), AS_INTEGER] | None = None
    termination_grace_period_seconds: Annotated[int, Field(ge=0, le=3600), AS_INTEGER] | None = None
    exec: Annotated[Unused, Refused(_NO_EXEC)] = None
    grpc: Annotated[Unused, Refused(_NO_EXEC)] = None


class Container(DocumentModel):
    """`containers[]`."""

    image: Annotated[Annotated[str, matching(r"[^\s\0]+", "an image reference")] | None, Needed("an image")] = None
    name: Annotated[str, _DNS_LABEL] | None = None
    command: list[Text] | None = None
    args: list[Text] | None = None
    env: list[EnvironmentVariable] | None = None
    resources: ContainerResources | None = None
    volume_mounts: list[Mount] | None = None
    probes: list[ContainerProbe] | None = None
    image_type: Annotated[Unused, Ignored("images are always pulled from a registry")] = None


class SecretFile(DocumentModel):
    """`volumes[].secrets[]`."""

    secret_ref: Annotated[Text | None, Needed("the name of a secret")] = None
    path: Annotated[str, _RELATIVE] | None = None


class Volume(DocumentModel):
    """`volumes[]`."""

    name: Annotated[Annotated[str, _DNS_LABEL] | None, Needed("a name")] = None
    storage_type: (
        Annotated[StorageType, one_of(StorageType, usable=(StorageType.EMPTY_DIR, StorageType.SECRET))] | None
    ) = None
    secrets: list[SecretFile] | None = None
    storage_name: Annotated[
        Unused, Refused(f"storage of the environment is {NOT_YET}", lambda value: value == "", {"const": ""})
    ] = None
    mount_options: Annotated[Unused, Ignored("it is for Azure Files")] = None

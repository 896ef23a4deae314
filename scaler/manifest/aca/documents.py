"""The schema of an Azure Container Apps manifest outside its template.

Each field is used, refused by name, or accepted and ignored with a warning.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from scaler.manifest.aca.ingress import IngressSpec
from scaler.manifest.aca.scale_rules import Scale
from scaler.manifest.aca.template import Container, Volume
from scaler.manifest.fields import (
    AS_INTEGER,
    DocumentModel,
    Ignored,
    Items,
    Needed,
    Refused,
    Secret,
    Text,
    Unused,
    any_case,
    matching,
    one_of,
    text_like,
)
from scaler.manifest.kinds import APP_TYPE

_AZURE = Ignored("it has a meaning in Azure only")
_READ_ONLY = Ignored("it is a read-only field of Azure")
_SECRET_NAME = matching(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", "lower-case letters, digits, '-' and '.'")


# What Azure exports for a text that is not set.
_UNLESS_EMPTY = Refused(harmless=lambda value: value == "", schema={"const": ""})
_NONE_YET = Refused(harmless=lambda value: value == [], schema={"const": []})
_SWITCHED_OFF = {"type": "object", "properties": {"enabled": {"enum": [False, "false"]}}, "required": ["enabled"]}
_NO_IDENTITY = {"type": "object", "properties": {"type": any_case("None")}}


class RevisionsMode(StrEnum):
    """How many revisions may run (`activeRevisionsMode`)."""

    SINGLE = "Single"
    MULTIPLE = "Multiple"
    LABELS = "Labels"


def _is_switched_off(value: Any) -> bool:
    return isinstance(value, dict) and str(value.get("enabled", "")).lower() == "false"


def _is_no_identity(value: Any) -> bool:
    return isinstance(value, dict) and str(value.get("type") or "None").lower() == "none"


class AppSecret(DocumentModel):
    """`configuration.secrets[]`; the value may be `${env:NAME}` or `${file:/path}`."""

    name: Annotated[Annotated[str, _SECRET_NAME] | None, Needed("the secret's name")] = None
    value: Secret | None = None
    key_vault_url: Annotated[
        Unused, Refused("Key Vault is not supported yet; use value: ${env:NAME} or ${file:/path}")
    ] = None
    identity: Annotated[Unused, Refused("managed identities are not supported yet")] = None


class RegistryCredentials(DocumentModel):
    """`configuration.registries[]`."""

    server: Annotated[Text | None, Needed("the registry's host name")] = None
    username: Annotated[Text | None, Needed("a user name", unless="identity")] = None
    password_secret_ref: Annotated[Text | None, Needed("the name of a secret", unless="identity")] = None
    identity: Annotated[
        Unused, Refused("managed identities are not supported yet", lambda value: value == "", {"const": ""})
    ] = None


class Configuration(DocumentModel):
    """`properties.configuration`."""

    active_revisions_mode: Annotated[RevisionsMode, one_of(RevisionsMode, usable=(RevisionsMode.SINGLE,))] | None = None
    secrets: list[AppSecret] | None = None
    registries: list[RegistryCredentials] | None = None
    ingress: IngressSpec | None = None
    dapr: Annotated[Unused, Refused(harmless=_is_switched_off, schema=_SWITCHED_OFF)] = None
    service: Annotated[Unused, Refused()] = None
    max_inactive_revisions: Annotated[Unused, Ignored("inactive revisions are not kept")] = None
    revision_transition_threshold: Annotated[Unused, _AZURE] = None
    target_label: Annotated[Unused, _UNLESS_EMPTY] = None
    runtime: Annotated[Unused, _AZURE] = None
    identity_settings: Annotated[Unused, _AZURE] = None


class Template(DocumentModel):
    """`properties.template`."""

    revision_suffix: (
        Annotated[
            str,
            matching(
                r"((?!.*--)[a-z]([-a-z0-9]*[a-z0-9])?)?",
                "at most 64 lower-case letters, digits and single '-', beginning with a letter",
                max_length=64,
            ),
        ]
        | None
    ) = None
    termination_grace_period_seconds: Annotated[int, Field(ge=0, le=86_400), AS_INTEGER] | None = None
    containers: Annotated[list[Container] | None, Needed("a list with one container"), Items(1, 1)] = None
    init_containers: Annotated[Unused, _NONE_YET] = None
    scale: Scale | None = None
    volumes: list[Volume] | None = None
    service_binds: Annotated[Unused, _NONE_YET] = None


class Properties(DocumentModel):
    """`properties`."""

    configuration: Configuration | None = None
    template: Annotated[Template | None, Needed("a template with a container")] = None
    environment_id: Annotated[Unused, _AZURE] = None
    managed_environment_id: Annotated[Unused, _AZURE] = None
    workload_profile_name: Annotated[Unused, _AZURE] = None
    networking: Annotated[Unused, _AZURE] = None
    patching_configuration: Annotated[Unused, _AZURE] = None
    provisioning_state: Annotated[Unused, _READ_ONLY] = None
    running_status: Annotated[Unused, _READ_ONLY] = None
    deployment_errors: Annotated[Unused, _READ_ONLY] = None
    latest_revision_name: Annotated[Unused, _READ_ONLY] = None
    latest_ready_revision_name: Annotated[Unused, _READ_ONLY] = None
    latest_revision_fqdn: Annotated[Unused, _READ_ONLY] = None
    custom_domain_verification_id: Annotated[Unused, _READ_ONLY] = None
    outbound_ip_addresses: Annotated[Unused, _READ_ONLY] = None
    event_stream_endpoint: Annotated[Unused, _READ_ONLY] = None
    delegated_identities: Annotated[Unused, _READ_ONLY] = None


class ContainerApp(DocumentModel):
    """A whole document."""

    name: Annotated[
        Annotated[
            str,
            matching(
                r"((?!.*--)[a-z]([-a-z0-9]*[a-z0-9])?)?",
                "at most 32 lower-case letters, digits and single '-', beginning with a letter",
                max_length=32,
            ),
        ]
        | None,
        Needed("the app's name"),
    ] = None
    type: Annotated[str, text_like(any_case(APP_TYPE))] | None = None
    properties: Annotated[Properties | None, Needed("the app's properties")] = None
    kind: Annotated[Unused, Refused("functions and logic apps are not supported yet")] = None
    location: Annotated[Unused, _AZURE] = None
    tags: Annotated[Unused, _AZURE] = None
    identity: Annotated[Unused, Refused("managed identities are not supported yet", _is_no_identity, _NO_IDENTITY)] = (
        None
    )
    extended_location: Annotated[Unused, _AZURE] = None
    managed_by: Annotated[Unused, _AZURE] = None
    resource_group: Annotated[Unused, _AZURE] = None
    api_version: Annotated[Unused, _AZURE] = None
    id: Annotated[Unused, _READ_ONLY] = None
    etag: Annotated[Unused, _READ_ONLY] = None
    system_data: Annotated[Unused, _READ_ONLY] = None

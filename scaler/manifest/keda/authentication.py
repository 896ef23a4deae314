"""The schema of TriggerAuthentication, ClusterTriggerAuthentication, Secret and ConfigMap."""

from __future__ import annotations

from typing import Annotated, Any

from scaler.manifest.fields import DocumentModel, Flag, Ignored, Needed, Refused, Secret, Text, Unused
from scaler.manifest.keda.documents import KubernetesObject

_VAULT = "not supported yet; use secretTargetRef, env, configMapTargetRef or filePath"


_NO_IDENTITY = {"type": "object", "properties": {"provider": {"enum": [None, "", "none"]}}}


def _is_no_identity(value: Any) -> bool:
    return isinstance(value, dict) and value.get("provider") in {None, "", "none"}


class KeyRef(DocumentModel):
    """`secretTargetRef[]` and `configMapTargetRef[]`."""

    parameter: Annotated[Text | None, Needed("the name of a parameter")] = None
    name: Annotated[Text | None, Needed("the name of an object")] = None
    key: Annotated[Text | None, Needed("a key in its data")] = None


class EnvRef(DocumentModel):
    """`env[]`: a variable of the target's container, or of the service for a target that we do not run."""

    parameter: Annotated[Text | None, Needed("the name of a parameter")] = None
    name: Annotated[Text | None, Needed("the name of a variable")] = None
    container_name: Text | None = None


class TriggerAuthenticationSpec(DocumentModel):
    """`spec`."""

    secret_target_ref: list[KeyRef] | None = None
    config_map_target_ref: list[KeyRef] | None = None
    env: list[EnvRef] | None = None
    file_path: Text | None = None
    pod_identity: Annotated[Unused, Refused("identities are not supported yet", _is_no_identity, _NO_IDENTITY)] = None
    hashi_corp_vault: Annotated[Unused, Refused(_VAULT)] = None
    azure_key_vault: Annotated[Unused, Refused(_VAULT)] = None
    gcp_secret_manager: Annotated[Unused, Refused(_VAULT)] = None
    aws_secret_manager: Annotated[Unused, Refused(_VAULT)] = None
    bound_service_account_token: Annotated[Unused, Refused("there is no Kubernetes service account here")] = None
    oauth2: Annotated[Unused, Refused(_VAULT)] = None


class TriggerAuthentication(KubernetesObject):
    """A whole document, cluster-wide or not."""

    spec: Annotated[TriggerAuthenticationSpec | None, Needed("a spec")] = None
    status: Annotated[Unused, Ignored("the operator writes it", quiet=True)] = None


class KubernetesSecret(KubernetesObject):
    """A `v1` Secret; values in `stringData` may be `${env:NAME}` or `${file:/path}`."""

    data: dict[str, Secret] | None = None
    string_data: dict[str, Secret] | None = None
    type: Text | None = None
    immutable: Flag | None = None


class ConfigMap(KubernetesObject):
    """A `v1` ConfigMap."""

    data: dict[str, Text] | None = None
    binary_data: Annotated[Unused, Ignored("triggers read data only")] = None
    immutable: Flag | None = None

"""The schema of a ScaledObject (`keda.sh/v1alpha1`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from scaler.manifest.fields import (
    AS_INTEGER,
    AS_NUMBER,
    DocumentModel,
    Flag,
    Ignored,
    Items,
    Needed,
    Refused,
    Text,
    Unused,
    matching,
    one_of,
)
from scaler.manifest.keda.behavior import Behavior
from scaler.model import MetricType
from scaler.model.workload import MIN_POLLING_INTERVAL_S

_SERVER_SIDE = Ignored("the Kubernetes API server writes it", quiet=True)
_CLUSTER = Ignored("there is no HPA here")
_NAME = matching(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", "lower-case letters, digits, '-' and '.'")
Seconds = Annotated[float, Field(ge=0, le=31_536_000), AS_NUMBER]
Count = Annotated[int, Field(ge=0, le=2_147_483_647), AS_INTEGER]


def _is_false(value: Any) -> bool:
    return str(value).lower() == "false"


class Metadata(DocumentModel):
    """`metadata` of any Kubernetes object."""

    name: Annotated[Annotated[str, _NAME] | None, Needed("a name")] = None
    namespace: Annotated[str, _NAME] | None = None
    labels: dict[str, Text] | None = None
    annotations: dict[str, Text] | None = None
    creation_timestamp: Annotated[Unused, _SERVER_SIDE] = None
    deletion_grace_period_seconds: Annotated[Unused, _SERVER_SIDE] = None
    deletion_timestamp: Annotated[Unused, _SERVER_SIDE] = None
    finalizers: Annotated[Unused, _SERVER_SIDE] = None
    generate_name: Annotated[Unused, _SERVER_SIDE] = None
    generation: Annotated[Unused, _SERVER_SIDE] = None
    managed_fields: Annotated[Unused, _SERVER_SIDE] = None
    owner_references: Annotated[Unused, _SERVER_SIDE] = None
    resource_version: Annotated[Unused, _SERVER_SIDE] = None
    self_link: Annotated[Unused, _SERVER_SIDE] = None
    uid: Annotated[Unused, _SERVER_SIDE] = None


class KubernetesObject(DocumentModel):
    """What every Kubernetes object has."""

    api_version: Annotated[Text | None, Needed()] = None
    kind: Annotated[Text | None, Needed()] = None
    metadata: Annotated[Metadata | None, Needed("metadata with a name")] = None


class ScaleTargetRef(DocumentModel):
    """`scaleTargetRef`: `ContainerApp` names an app of the same manifests; anything else runs already."""

    name: Annotated[Text | None, Needed("the target's name")] = None
    kind: Text | None = None
    api_version: Text | None = None
    env_source_container_name: Text | None = None


class FallbackKind(StrEnum):
    """KEDA's five behaviors; the last needs a formula."""

    STATIC = "static"
    CURRENT = "currentReplicas"
    CURRENT_IF_HIGHER = "currentReplicasIfHigher"
    CURRENT_IF_LOWER = "currentReplicasIfLower"
    SCALING_MODIFIERS = "scalingModifiers"


class FallbackSpec(DocumentModel):
    """`fallback`."""

    failure_threshold: Annotated[Count | None, Needed("a number of failures")] = None
    replicas: Annotated[Count | None, Needed("a replica count")] = None
    behavior: Annotated[FallbackKind, one_of(FallbackKind, usable=tuple(FallbackKind)[:-1])] | None = None


class HorizontalPodAutoscalerConfig(DocumentModel):
    """`advanced.horizontalPodAutoscalerConfig`."""

    behavior: Behavior | None = None
    name: Annotated[Unused, _CLUSTER] = None


class Advanced(DocumentModel):
    """`advanced`."""

    horizontal_pod_autoscaler_config: HorizontalPodAutoscalerConfig | None = None
    restore_to_original_replica_count: Annotated[
        Unused, Refused(harmless=_is_false, schema={"enum": [False, "false"]})
    ] = None
    scaling_modifiers: Annotated[Unused, Refused(harmless=lambda value: value == {}, schema={"const": {}})] = None


class AuthenticationRef(DocumentModel):
    """`authenticationRef`."""

    name: Annotated[Text | None, Needed("the name of a TriggerAuthentication")] = None
    kind: Text | None = None


class TriggerSpec(DocumentModel):
    """`triggers[]`."""

    type: Annotated[Text | None, Needed("the type of a scaler")] = None
    name: Text | None = None
    metadata: dict[str, Text] | None = None
    metric_type: Annotated[MetricType, one_of(MetricType)] | None = None
    authentication_ref: AuthenticationRef | None = None
    use_cached_metrics: Annotated[
        Flag | None, Ignored("every decision reads each source once, so there is nothing to cache")
    ] = None


class ScaledObjectSpec(DocumentModel):
    """`spec`."""

    scale_target_ref: Annotated[ScaleTargetRef | None, Needed("a target")] = None
    polling_interval: Annotated[float, Field(ge=MIN_POLLING_INTERVAL_S, le=86_400), AS_NUMBER] | None = None
    cooldown_period: Seconds | None = None
    initial_cooldown_period: Seconds | None = None
    idle_replica_count: Count | None = None
    min_replica_count: Count | None = None
    max_replica_count: Annotated[int, Field(ge=1, le=2_147_483_647), AS_INTEGER] | None = None
    fallback: FallbackSpec | None = None
    advanced: Advanced | None = None
    triggers: Annotated[list[TriggerSpec] | None, Needed("a list of triggers"), Items(1)] = None


class ScaledObject(KubernetesObject):
    """A whole document."""

    spec: Annotated[ScaledObjectSpec | None, Needed("a spec")] = None
    status: Annotated[Unused, _SERVER_SIDE] = None

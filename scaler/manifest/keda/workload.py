"""A ScaledObject becomes a workload, with an app of the same manifests or with something that runs already."""

from __future__ import annotations

from dataclasses import dataclass

from scaler.manifest.bounds import check_bounds
from scaler.manifest.checking import check
from scaler.manifest.declared import Authentication, Environment, TriggerSource
from scaler.manifest.keda.annotations import read_idle_interval, read_pause
from scaler.manifest.keda.behavior import build_directions
from scaler.manifest.keda.documents import (
    Advanced,
    FallbackKind,
    HorizontalPodAutoscalerConfig,
    Metadata,
    ScaledObject,
    ScaledObjectSpec,
    ScaleTargetRef,
    TriggerSpec,
)
from scaler.manifest.keda.objects import NAMESPACED, KubernetesObjects, identity
from scaler.manifest.located import Path
from scaler.manifest.problems import NOT_YET, NOTHING, Report
from scaler.manifest.traffic import check_wake, polling_intervals, silent_cooldown_s, silent_scale_down
from scaler.manifest.triggers import Scalers, build_triggers
from scaler.model import (
    App,
    Fallback,
    FallbackBehavior,
    ForeignTarget,
    ScalingPolicy,
    Trigger,
    TriggerKind,
    Workload,
)

_SPEC: Path = ("spec",)


@dataclass(frozen=True)
class DeclaredScaling:
    """A ScaledObject as its document declares it."""

    report: Report
    namespace: str
    name: str
    metadata: Metadata
    spec: ScaledObjectSpec

    @property
    def target(self) -> ScaleTargetRef:
        """What it scales."""
        return self.spec.scale_target_ref or ScaleTargetRef()

    @property
    def kind(self) -> str:
        """The target's kind; KEDA's default is Deployment."""
        return self.target.kind or "Deployment"


def declare_scaling(report: Report) -> DeclaredScaling:
    """Return the ScaledObject that a document declares; everything wrong with it was reported."""
    model = check(report, ScaledObject, report.document.data)
    metadata = model.metadata or Metadata()
    namespace, name = identity(metadata)
    return DeclaredScaling(report, namespace, name, metadata, model.spec or ScaledObjectSpec())


def scaled_workload(
    declared: DeclaredScaling,
    *,
    name: str,
    target: App | ForeignTarget,
    environment: Environment,
    objects: KubernetesObjects,
    scalers: Scalers,
) -> Workload:
    """Return the workload of a ScaledObject."""
    report, spec = declared.report, declared.spec
    container_path: Path = (*_SPEC, "scaleTargetRef", "envSourceContainerName")
    environment.check_container(report, container_path, declared.target.env_source_container_name)
    if spec.triggers == []:
        report.error((*_SPEC, "triggers"), "at least one trigger", found="an empty list")
    sources = [
        _source(declared, index, trigger, environment, objects) for index, trigger in enumerate(spec.triggers or [])
    ]
    triggers = build_triggers(report, scalers, sources, environment, target)
    policy = _policy(declared, triggers)
    if len(triggers) == len(sources):
        lowest = policy.min_replicas if policy.idle_replicas is None else policy.idle_replicas
        check_wake(report, (*_SPEC, "triggers"), target, triggers, lowest=lowest)
    polling_s, idle_s = polling_intervals(
        spec.polling_interval, read_idle_interval(report, declared.metadata.annotations or {}), triggers
    )
    return Workload(
        name=name,
        target=target,
        triggers=triggers,
        policy=policy,
        polling_interval_s=polling_s,
        idle_polling_interval_s=idle_s,
        location=report.document.location,
    )


def _source(
    declared: DeclaredScaling, index: int, trigger: TriggerSpec, environment: Environment, objects: KubernetesObjects
) -> TriggerSource:
    path: Path = (*_SPEC, "triggers", index)
    auth = Authentication()
    reference = trigger.authentication_ref
    if reference is not None and reference.name:
        kind = reference.kind or NAMESPACED
        here: Path = (*path, "authenticationRef")
        auth = objects.parameters(
            declared.report,
            here,
            kind=kind,
            namespace=declared.namespace,
            name=reference.name,
            environment=environment,
        )
    elif declared.report.is_broken((*path, "authenticationRef", "name")):
        auth = Authentication(None)
    type_ = trigger.type or ""
    return TriggerSource(
        path=path,
        name_path=(*path, "name"),
        type=type_,
        name=trigger.name or f"{type_}-{index}",
        metadata=trigger.metadata or {},
        auth=auth,
        metric_type=trigger.metric_type,
    )


def _policy(declared: DeclaredScaling, triggers: tuple[Trigger, ...]) -> ScalingPolicy:
    report, spec, silent = declared.report, declared.spec, ScalingPolicy()
    lowest = spec.min_replica_count or 0
    highest = silent.max_replicas if spec.max_replica_count is None else spec.max_replica_count
    check_bounds(report, _SPEC, ("minReplicaCount", lowest), ("maxReplicaCount", highest))
    if lowest == 0 and triggers and len(triggers) == len(spec.triggers or []) and _only_resources(triggers):
        hint = "cpu and memory alone never reach zero"
        report.error(
            (*_SPEC, "minReplicaCount"), "at least 1", found=None if spec.min_replica_count == 0 else NOTHING, hint=hint
        )
    idle = spec.idle_replica_count
    if idle is not None and idle >= lowest:
        report.error((*_SPEC, "idleReplicaCount"), f"less than minReplicaCount ({lowest})")
    config = (spec.advanced or Advanced()).horizontal_pod_autoscaler_config or HorizontalPodAutoscalerConfig()
    up, down = silent.scale_up, silent_scale_down(triggers)
    if config.behavior is not None:
        path: Path = (*_SPEC, "advanced", "horizontalPodAutoscalerConfig", "behavior")
        up, spelt_down = build_directions(report, path, config.behavior)
        down = spelt_down if spelt_down.explicit or down.stabilization_window_s else down
    return ScalingPolicy(
        triggers=tuple(trigger.policy for trigger in triggers),
        min_replicas=lowest,
        max_replicas=highest,
        idle_replicas=idle,
        cooldown_s=silent_cooldown_s(triggers) if spec.cooldown_period is None else spec.cooldown_period,
        initial_cooldown_s=spec.initial_cooldown_period or silent.initial_cooldown_s,
        scale_up=up,
        scale_down=down,
        fallback=_fallback(declared, triggers),
        pause=read_pause(report, declared.metadata.annotations or {}),
    )


def _fallback(declared: DeclaredScaling, triggers: tuple[Trigger, ...]) -> Fallback | None:
    report, spec = declared.report, declared.spec.fallback
    if spec is None:
        return None
    path: Path = (*_SPEC, "fallback")
    behavior = spec.behavior or FallbackKind.STATIC
    if behavior is FallbackKind.SCALING_MODIFIERS:
        report.error((*path, "behavior"), "another behavior", hint=f"formulas are {NOT_YET}")
        behavior = FallbackKind.STATIC
    if triggers and _only_resources(triggers):
        report.error(path, "a trigger other than cpu and memory", hint="a fallback is for event sources", at_key=True)
    if spec.failure_threshold is None or spec.replicas is None:
        return None
    return Fallback(spec.failure_threshold, spec.replicas, FallbackBehavior(behavior.value))


def _only_resources(triggers: tuple[Trigger, ...]) -> bool:
    return all(trigger.policy.kind is TriggerKind.RESOURCE for trigger in triggers)

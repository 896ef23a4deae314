"""An Azure Container Apps manifest becomes a workload: its app with its own scale rules, or with a ScaledObject's."""

from __future__ import annotations

from dataclasses import dataclass

from scaler.manifest.aca.documents import Configuration, ContainerApp, Template
from scaler.manifest.aca.replica import build_app
from scaler.manifest.aca.rules import RULES, rule_sources
from scaler.manifest.aca.scale_rules import Scale
from scaler.manifest.aca.secrets import AppSecrets, read_secrets
from scaler.manifest.bounds import check_bounds
from scaler.manifest.certificates import Certificates
from scaler.manifest.checking import check
from scaler.manifest.declared import Environment
from scaler.manifest.located import Path
from scaler.manifest.problems import NOTHING, Report
from scaler.manifest.traffic import check_wake, polling_intervals, silent_cooldown_s, silent_scale_down
from scaler.manifest.triggers import Scalers, build_triggers
from scaler.manifest.values import OutsideValues
from scaler.model import App, ScalingPolicy, Workload

DEFAULT_MAX_REPLICAS = 10
_SCALE: Path = ("properties", "template", "scale")


@dataclass(frozen=True)
class DeclaredApp:
    """An app as its document declares it, before its scaling is known."""

    report: Report
    name: str
    app: App
    environment: Environment
    secrets: AppSecrets
    scale: Scale


def declare_app(report: Report, outside: OutsideValues, certificates: Certificates) -> DeclaredApp:
    """Return the app that a document declares; everything wrong with it was reported."""
    model = check(report, ContainerApp, report.document.data)
    properties = model.properties
    secrets = read_secrets(report, (properties and properties.configuration) or Configuration(), outside)
    app, environment = build_app(report, model, secrets, outside, certificates)
    template = (properties and properties.template) or Template()
    return DeclaredApp(report, model.name or "", app, environment, secrets, template.scale or Scale())


def self_scaled(declared: DeclaredApp, scalers: Scalers) -> Workload:
    """Return the workload of an app that no ScaledObject names: its own rules count."""
    report, scale = declared.report, declared.scale
    rules = scale.rules or []
    sources = rule_sources(report, rules, declared.secrets, ingress=declared.app.ingress is not None)
    triggers = build_triggers(report, scalers, sources, declared.environment, declared.app)
    lowest = scale.min_replicas or 0
    highest = DEFAULT_MAX_REPLICAS if scale.max_replicas is None else scale.max_replicas
    check_bounds(report, _SCALE, ("minReplicas", lowest), ("maxReplicas", highest))
    if not rules and not sources and lowest == 0 and not report.is_broken((*_SCALE, "minReplicas")):
        hint = "without a rule, an ingress, a ScaledObject or minReplicas of at least 1 the app never starts"
        report.error(RULES, "a scale rule", found=NOTHING, hint=hint)
    if rules and len(triggers) == len(rules):
        check_wake(report, RULES, declared.app, triggers, lowest=lowest)
    policy = ScalingPolicy(
        triggers=tuple(trigger.policy for trigger in triggers),
        min_replicas=lowest,
        max_replicas=max(highest, 1),
        cooldown_s=silent_cooldown_s(triggers) if scale.cooldown_period is None else scale.cooldown_period,
        scale_down=silent_scale_down(triggers),
    )
    polling_s, idle_s = polling_intervals(scale.polling_interval, scale.idle_polling_interval, triggers)
    return Workload(
        name=declared.name,
        target=declared.app,
        triggers=triggers,
        policy=policy,
        polling_interval_s=polling_s,
        idle_polling_interval_s=idle_s,
        location=report.document.location,
    )


def reject_own_scaling(declared: DeclaredApp, scaled_object: str) -> None:
    """Report what an app that a ScaledObject scales must not say itself."""
    if declared.report.document.get(RULES):
        hint = "remove the rules, or the ScaledObject"
        expected = f"no rules beside the ScaledObject at {scaled_object}"
        declared.report.error(RULES, expected, found="the app's own rules", hint=hint, at_key=True)
    for name, instead in (
        ("minReplicas", "minReplicaCount"),
        ("maxReplicas", "maxReplicaCount"),
        ("cooldownPeriod", "cooldownPeriod"),
        ("pollingInterval", "pollingInterval"),
        ("idlePollingInterval", "the annotation scaler/idle-polling-interval"),
    ):
        if declared.report.document.get((*_SCALE, name)) is not None:
            expected = f"only {instead} in the ScaledObject at {scaled_object}"
            declared.report.error((*_SCALE, name), expected, found=f"the app's own {name}", at_key=True)

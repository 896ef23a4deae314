"""The scale rules of an app become trigger sources; without one, an app with ingress has Azure's default rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scaler.manifest.aca.scale_rules import CustomRule, HttpRule, RuleAuth, ScaleRule
from scaler.manifest.aca.secrets import AppSecrets
from scaler.manifest.declared import Authentication, AuthParameter, TriggerSource
from scaler.manifest.located import Path
from scaler.manifest.problems import NOTHING, Report, describe
from scaler.manifest.traffic import DEFAULT_RULE

RULES: Path = ("properties", "template", "scale", "rules")
HTTP = "http"
_KINDS = ("custom", HTTP, "tcp", "azureQueue")


def rule_sources(
    report: Report, rules: Sequence[ScaleRule], secrets: AppSecrets, *, ingress: bool
) -> list[TriggerSource]:
    """Return the triggers that rules declare; what is wrong with them was reported.

    Args:
        report: Of the app's document.
        rules: As the document has them.
        secrets: The app's.
        ingress: Whether requests reach the app.
    """
    if not rules and ingress and not report.is_broken(RULES):
        silent = Authentication()
        return [TriggerSource(path=RULES, name_path=RULES, type=HTTP, name=DEFAULT_RULE, metadata={}, auth=silent)]
    return list(_sources(report, rules, secrets))


def _sources(report: Report, rules: Sequence[ScaleRule], secrets: AppSecrets) -> Iterable[TriggerSource]:
    for index, rule in enumerate(rules):
        here: Path = (*RULES, index)
        if any(report.is_broken((*here, kind)) for kind in _KINDS):
            continue
        if rule.custom is not None and rule.http is not None:
            report.error(here, "one kind of rule: custom or http", found="both")
        elif rule.http is not None:
            yield _source(report, here, rule.http, rule.name, secrets)
        elif rule.custom is not None:
            yield _source(report, here, rule.custom, rule.name, secrets)
        else:
            report.error((*here, "custom"), "a custom or an http rule", found=NOTHING)


def _source(
    report: Report, rule: Path, declared: CustomRule | HttpRule, name: str | None, secrets: AppSecrets
) -> TriggerSource:
    key, type_ = ("custom", declared.type or "") if isinstance(declared, CustomRule) else (HTTP, HTTP)
    path: Path = (*rule, key)
    return TriggerSource(
        path=path,
        name_path=(*rule, "name"),
        type=type_,
        name=name or f"{type_}-{rule[-1]}",
        metadata=declared.metadata or {},
        auth=_authentication(report, (*path, "auth"), declared.auth or [], secrets),
    )


def _authentication(report: Report, path: Path, entries: Sequence[RuleAuth], secrets: AppSecrets) -> Authentication:
    auth: dict[str, AuthParameter | None] = {}
    for index, entry in enumerate(entries):
        here: Path = (*path, index)
        value = secrets.use((*here, "secretRef"), entry.secret_ref)
        if entry.trigger_parameter is None:
            continue
        if entry.trigger_parameter in auth:
            found = f"{describe(entry.trigger_parameter)} a second time"
            report.error((*here, "triggerParameter"), "each parameter once", found=found)
        blame: Path = (*here, "triggerParameter")
        auth[entry.trigger_parameter] = None if value is None else AuthParameter(value, report, blame)
    return Authentication(None if report.is_broken(path) else auth)

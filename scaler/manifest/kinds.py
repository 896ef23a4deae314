"""Telling documents apart."""

from __future__ import annotations

from enum import Enum

from scaler.manifest.located import Mapping
from scaler.manifest.problems import NOT_YET, Report, closest, listed

_KEDA = "keda.sh/v1alpha1"
_CORE = "v1"
APP_TYPE = "Microsoft.App/containerApps"
_JOB_TYPE = "microsoft.app/jobs"
_SHOWN_KEYS = 5


class DocumentKind(Enum):
    """What is read, with its `apiVersion`."""

    APP = ""
    SCALED_OBJECT = "ScaledObject"
    TRIGGER_AUTHENTICATION = "TriggerAuthentication"
    CLUSTER_TRIGGER_AUTHENTICATION = "ClusterTriggerAuthentication"
    SECRET = "Secret"  # noqa: S105 - the kind of a document
    CONFIG_MAP = "ConfigMap"


KEDA_KINDS = {
    kind.value: kind
    for kind in (
        DocumentKind.SCALED_OBJECT,
        DocumentKind.TRIGGER_AUTHENTICATION,
        DocumentKind.CLUSTER_TRIGGER_AUTHENTICATION,
    )
}
CORE_KINDS = {kind.value: kind for kind in (DocumentKind.SECRET, DocumentKind.CONFIG_MAP)}


def kind_of(report: Report) -> DocumentKind | None:
    """Return what a document is; None when it cannot be used, which was reported."""
    data = report.document.data
    if not isinstance(data, Mapping):
        found = "a list" if isinstance(data, list) else "a single value"
        report.error((), "a mapping: a Container App, a ScaledObject or what goes with it", found=found)
        return None
    type_ = _text(data, "type").lower()
    if type_ == _JOB_TYPE:
        report.error(("type",), APP_TYPE, hint=f"jobs are {NOT_YET}")
        return None
    if "properties" in data or type_.startswith("microsoft.app/"):
        if type_ and type_ != APP_TYPE.lower():
            report.error(("type",), APP_TYPE, hint=closest(type_, [APP_TYPE]))
        return DocumentKind.APP
    if "apiVersion" in data or isinstance(data.get("kind"), str):
        return _kubernetes_kind(report, _text(data, "apiVersion"), _text(data, "kind"))
    if "componentType" in data:
        report.error((), "a Container App", found="a Dapr component", hint=f"Dapr is {NOT_YET}")
    elif "services" in data:
        hint = "labels of services that run are read by --compose"
        report.error((), "a Container App or a ScaledObject", found="a Compose file", hint=hint)
    else:
        hint = closest("properties", data) and "is `properties` misspelt?"
        expected = "properties (a Container App), or apiVersion and kind (KEDA)"
        # Some only: it may be a file of another kind altogether, whose content is nobody's business.
        few = list(data)[:_SHOWN_KEYS]
        shown = listed(few) + (", ..." if len(data) > len(few) else "")
        report.error((), expected, found=f"a mapping of {shown}", hint=hint)
    return None


def _kubernetes_kind(report: Report, api_version: str, kind: str) -> DocumentKind | None:
    group = api_version.partition("/")[0]
    known = {_KEDA: KEDA_KINDS, _CORE: CORE_KINDS}.get(api_version, {})
    if kind in known:
        return known[kind]
    all_kinds = {**KEDA_KINDS, **CORE_KINDS}
    if kind in all_kinds:
        report.error(("apiVersion",), _KEDA if kind in KEDA_KINDS else _CORE)
    elif kind == "ScaledJob":
        report.error(("kind",), f"one of {listed(KEDA_KINDS)}", hint=f"jobs are {NOT_YET}")
    elif group == "keda.sh" or closest(kind, known):
        report.error(("kind",), f"one of {listed(known or KEDA_KINDS)}", hint=closest(kind, all_kinds))
    elif not api_version or not kind:
        report.error((), "both apiVersion and kind", found="only one of them")
    else:
        expected = f"one of {listed(all_kinds)}, or a Container App"
        report.warn(("kind",), expected, hint="the document is ignored: only what scaling needs is read")
    return None


def _text(data: Mapping, key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""

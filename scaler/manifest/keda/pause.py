"""KEDA's annotations on a ScaledObject."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scaler.manifest.located import Path
from scaler.manifest.problems import Report, closest
from scaler.model import Pause

_PREFIX = "autoscaling.keda.sh/"
_PAUSED, _REPLICAS = f"{_PREFIX}paused", f"{_PREFIX}paused-replicas"
_SCALE_IN, _SCALE_OUT = f"{_PREFIX}paused-scale-in", f"{_PREFIX}paused-scale-out"
_FORCE = f"{_PREFIX}force-activation"
_USED = (_PAUSED, _REPLICAS, _SCALE_IN, _SCALE_OUT, _FORCE)
_HPA_ONLY = frozenset(
    {
        "scaledobject.keda.sh/transfer-hpa-ownership",
        "scaledobject.keda.sh/hpa-excluded-labels",
        "validations.keda.sh/hpa-ownership",
    }
)
# Go's strconv.ParseBool.
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_PATH: Path = ("metadata", "annotations")


def read_pause(report: Report, annotations: Mapping[str, str]) -> Pause:
    """Return what the annotations ask for."""
    written = report.document.get(_PATH)
    for name in written if isinstance(written, Mapping) else ():
        if name in _HPA_ONLY:
            hint = "ignored: there is no HPA here"
            report.warn((*_PATH, name), "the annotation to be absent", found="the annotation", hint=hint)
        elif name.startswith(_PREFIX) and name not in _USED:
            expected = f"one of {', '.join(_USED)}"
            report.error(
                (*_PATH, name), expected, found="an unknown annotation", hint=closest(name, _USED), at_key=True
            )
    return Pause(
        paused=_flag(report, annotations, _PAUSED),
        replicas=_replicas(report, annotations),
        scale_in=_flag(report, annotations, _SCALE_IN),
        scale_out=_flag(report, annotations, _SCALE_OUT),
        force_activation=_flag(report, annotations, _FORCE),
    )


def _flag(report: Report, annotations: Mapping[str, str], name: str) -> bool:
    text = annotations.get(name)
    if text is None or text in _FALSE:
        return False
    if text not in _TRUE:
        report.warn((*_PATH, name), "true or false", hint="taken for true, as KEDA does")
    return True


def _replicas(report: Report, annotations: Mapping[str, str]) -> int | None:
    text = annotations.get(_REPLICAS)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        report.error((*_PATH, _REPLICAS), "a replica count")
        return None
    return int(text)

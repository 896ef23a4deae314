"""Annotations on a ScaledObject: KEDA's, and one of our own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scaler.manifest.located import Path
from scaler.manifest.problems import Report, closest
from scaler.model import Pause
from scaler.model.workload import MIN_POLLING_INTERVAL_S

_PREFIX = "autoscaling.keda.sh/"
_PAUSED, _REPLICAS = f"{_PREFIX}paused", f"{_PREFIX}paused-replicas"
_SCALE_IN, _SCALE_OUT = f"{_PREFIX}paused-scale-in", f"{_PREFIX}paused-scale-out"
_FORCE = f"{_PREFIX}force-activation"
_USED = (_PAUSED, _REPLICAS, _SCALE_IN, _SCALE_OUT, _FORCE)
_OWN_PREFIX = "scaler/"
_IDLE_INTERVAL = f"{_OWN_PREFIX}idle-polling-interval"
_MAX_INTERVAL_S = 86_400
INTERVAL = f"seconds from {MIN_POLLING_INTERVAL_S} to {_MAX_INTERVAL_S}"
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
        elif name.startswith((_PREFIX, _OWN_PREFIX)) and name not in (known := (*_USED, _IDLE_INTERVAL)):
            expected = f"one of {', '.join(known)}"
            report.error(
                (*_PATH, name), expected, found="an unknown annotation", hint=closest(name, known), at_key=True
            )
    return Pause(
        paused=_flag(report, annotations, _PAUSED),
        replicas=_replicas(report, annotations),
        scale_in=_flag(report, annotations, _SCALE_IN),
        scale_out=_flag(report, annotations, _SCALE_OUT),
        force_activation=_flag(report, annotations, _FORCE),
    )


def read_idle_interval(report: Report, annotations: Mapping[str, str]) -> float | None:
    """Return the seconds between two readings at zero replicas; None where nothing else is asked for."""
    text = annotations.get(_IDLE_INTERVAL)
    if text is not None and parse_interval(text) is None:
        report.error((*_PATH, _IDLE_INTERVAL), INTERVAL)
    return None if text is None else parse_interval(text)


def parse_interval(text: str) -> float | None:
    """Return a polling interval in seconds; None when it is not `INTERVAL`."""
    interval_s = float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else 0.0
    return interval_s if MIN_POLLING_INTERVAL_S <= interval_s <= _MAX_INTERVAL_S else None


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

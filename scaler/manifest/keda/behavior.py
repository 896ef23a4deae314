"""The HPA's `behavior`: its schema, and the defaults that the HPA fills in."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scaler.manifest.fields import AS_INTEGER, DocumentModel, Items, Needed, Text, one_of
from scaler.manifest.located import Path
from scaler.manifest.problems import Report
from scaler.model import Direction, PolicyType, RateLimit, SelectPolicy
from scaler.model.policy import DEFAULT_SCALE_DOWN_WINDOW_S
from scaler.ports.quantities import parse_quantity

# Kubernetes pkg/apis/autoscaling/v2/defaults.go.
_DOUBLE = RateLimit(PolicyType.PERCENT, 100, 15)
_UP_DEFAULT = Direction(0.0, (RateLimit(PolicyType.PODS, 4, 15), _DOUBLE))
_DOWN_DEFAULT = Direction(DEFAULT_SCALE_DOWN_WINDOW_S, (_DOUBLE,))
Amount = Annotated[int, Field(ge=1, le=2_147_483_647), AS_INTEGER]
Period = Annotated[int, Field(ge=1, le=1800), AS_INTEGER]


class PolicySpec(DocumentModel):
    """`policies[]`."""

    type: Annotated[Annotated[PolicyType, one_of(PolicyType)] | None, Needed("Pods or Percent")] = None
    value: Annotated[Amount | None, Needed("a number above 0")] = None
    period_seconds: Annotated[Period | None, Needed("1 to 1800 seconds")] = None


class DirectionSpec(DocumentModel):
    """`scaleUp` or `scaleDown`."""

    stabilization_window_seconds: Annotated[int, Field(ge=0, le=3600), AS_INTEGER] | None = None
    select_policy: Annotated[SelectPolicy, one_of(SelectPolicy)] | None = None
    policies: Annotated[list[PolicySpec] | None, Items(1)] = None
    tolerance: Text | None = None


class Behavior(DocumentModel):
    """`behavior`."""

    scale_up: DirectionSpec | None = None
    scale_down: DirectionSpec | None = None


def build_directions(report: Report, path: Path, behavior: Behavior) -> tuple[Direction, Direction]:
    """Return up and down; a behavior block, even an empty one, fills both with the HPA's defaults."""
    return (
        _direction(report, (*path, "scaleUp"), behavior.scale_up, _UP_DEFAULT),
        _direction(report, (*path, "scaleDown"), behavior.scale_down, _DOWN_DEFAULT),
    )


def _direction(report: Report, path: Path, spec: DirectionSpec | None, default: Direction) -> Direction:
    if spec is None:
        return default
    window = spec.stabilization_window_seconds
    if spec.policies == []:
        report.error((*path, "policies"), "at least one policy", found="an empty list")
    limits = tuple(
        RateLimit(policy.type, policy.value, policy.period_seconds)
        for policy in spec.policies or []
        if policy.type is not None and policy.value is not None and policy.period_seconds is not None
    )
    return Direction(
        stabilization_window_s=default.stabilization_window_s if window is None else float(window),
        limits=default.limits if spec.policies is None else limits,
        select_policy=spec.select_policy or default.select_policy,
        tolerance=_tolerance(report, (*path, "tolerance"), spec.tolerance, default.tolerance),
        explicit=True,
    )


def _tolerance(report: Report, path: Path, text: str | None, default: float) -> float:
    if text is None:
        return default
    quantity = parse_quantity(text)
    if quantity is None or quantity < 0:
        report.error(path, 'a quantity such as "0.05" or "50m"')
        return default
    return float(quantity)

"""A model of the Horizontal Pod Autoscaler (v2), external metrics: whole reconciles, with and without a `behavior`.

For comparison only, and apart from `scaler.decision`: it is measured against the recorded answers of the real
controller by itself (`tests/conformance/test_hpa_model.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_INT32_MAX = 2**31 - 1
_DEFAULT_UP: Mapping[str, Any] = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DEFAULT_DOWN: Mapping[str, Any] = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}


@dataclass(frozen=True, slots=True)
class Metric:
    """An external metric; its target in thousandths, of the whole (`Value`) or for each pod (`AverageValue`)."""

    name: str
    target_milli: int
    average: bool = True


@dataclass(slots=True)
class _Stored:
    """Something with a time in a slot that a later one may take."""

    at: float
    number: int


def _store(slots: list[_Stored], new: _Stored, outdated: Sequence[int]) -> None:
    """Put it into the slot of the last outdated one, or into a slot of its own."""
    if outdated:
        slots[outdated[-1]] = new
    else:
        slots.append(new)


@dataclass(slots=True)
class Limits:
    """The older path, without a `behavior`: the highest count of the window, and at most max(2 x, 4) at a time."""

    window_s: float = 300.0
    recommendations: list[_Stored] = field(default_factory=list)

    def decide(self, desired: int, current: int, least: int, most: int, now: float) -> int:
        """Return the count to have."""
        stable = self.stabilize(desired, now)
        return max(least, min(stable, most, max(2 * current, 4))) if stable >= least else least

    def remember(self, at: float, replicas: int) -> None:
        """Take a count that was recommended before."""
        self.recommendations.append(_Stored(at, replicas))

    def stabilize(self, desired: int, now: float) -> int:
        """Return the highest count of the window, and remember this one."""
        cutoff = now - self.window_s
        outdated = [index for index, each in enumerate(self.recommendations) if each.at < cutoff]
        highest = max((each.number for each in self.recommendations if each.at >= cutoff), default=desired)
        _store(self.recommendations, _Stored(now, desired), outdated)
        return max(desired, highest)

    def changed(self, change: int, now: float) -> None:
        """Nothing is remembered of changes."""


class Behavior:
    """The newer path: windows in both directions, and policies over periods."""

    def __init__(self, behavior: Mapping[str, Any], window_s: float) -> None:
        down = {"stabilizationWindowSeconds": window_s, **_DEFAULT_DOWN}
        self._up = {**_DEFAULT_UP, **_given(behavior.get("scaleUp"))}
        self._down = {**down, **_given(behavior.get("scaleDown"))}
        self.recommendations: list[_Stored] = []
        self._ups: list[_Stored] = []
        self._downs: list[_Stored] = []

    def tolerances(self, default: float) -> tuple[float, float]:
        """Return those of scaling down and up."""
        return tuple(_quantity(side.get("tolerance"), default) for side in (self._down, self._up))  # type: ignore[return-value]

    def decide(self, desired: int, current: int, least: int, most: int, now: float) -> int:
        """Return the count to have."""
        stable = self._stabilize(desired, current, now)
        if stable > current:
            limit = max(self._limit(self._up, current, now, up=True), current)
            return min(stable, most, limit)
        if stable < current:
            limit = min(self._limit(self._down, current, now, up=False), current)
            return max(stable, least, limit)
        return stable

    def changed(self, change: int, now: float) -> None:
        """Remember a change, as long as its own direction's longest period."""
        rules, slots = (self._up, self._ups) if change > 0 else (self._down, self._downs)
        longest = max(policy["periodSeconds"] for policy in rules["policies"])
        outdated = [index for index, each in enumerate(slots) if each.at < now - longest]
        _store(slots, _Stored(now, abs(change)), outdated)

    def _stabilize(self, desired: int, current: int, now: float) -> int:
        up_cutoff = now - self._up["stabilizationWindowSeconds"]
        down_cutoff = now - self._down["stabilizationWindowSeconds"]
        known = self.recommendations
        lowest = min((each.number for each in known if each.at > up_cutoff), default=desired)
        highest = max((each.number for each in known if each.at > down_cutoff), default=desired)
        outdated = [index for index, each in enumerate(known) if each.at < up_cutoff and each.at < down_cutoff]
        _store(known, _Stored(now, desired), outdated)
        return min(max(current, min(desired, lowest)), max(desired, highest))

    def _limit(self, rules: Mapping[str, Any], current: int, now: float, *, up: bool) -> int:
        if rules["selectPolicy"] == "Disabled":
            return current
        limits = []
        for policy in rules["policies"]:
            cutoff = now - policy["periodSeconds"]
            added = sum(each.number for each in self._ups if each.at > cutoff)
            removed = sum(each.number for each in self._downs if each.at > cutoff)
            begin, value = current - added + removed, policy["value"]
            if policy["type"] == "Pods":
                limits.append(begin + value if up else begin - value)
            else:
                limits.append(math.ceil(begin * (1 + value / 100)) if up else int(begin * (1 - value / 100)))
        return max(limits) if (rules["selectPolicy"] == "Max") == up else min(limits)


class Hpa:
    """One autoscaler: `sync` is what its controller does every 15 s."""

    def __init__(
        self,
        metrics: Sequence[Metric],
        *,
        least: int,
        most: int,
        behavior: Mapping[str, Any] | None = None,
        window_s: float = 300.0,
        tolerance: float = 0.1,
    ) -> None:
        self._metrics = metrics
        self._least, self._most = least, most
        self._rules = Limits(window_s) if behavior is None else Behavior(behavior, window_s)
        self._tolerances = (tolerance, tolerance)
        if isinstance(self._rules, Behavior):
            self._tolerances = self._rules.tolerances(tolerance)
        self._begun = False

    def sync(
        self, values: Mapping[str, int | None], *, spec: int, status: int, ready: int, now: float
    ) -> tuple[int, bool]:
        """Return the count to have, and whether a metric could not be had.

        Args:
            values: Thousandths by metric; None where it fails.
            spec: The count asked for.
            status: Pods that exist.
            ready: Pods that serve.
            now: Seconds.
        """
        if spec == 0:
            return 0, False  # disabled: who set it to zero has to take it from there
        if not self._begun:
            self._begun = True
            self._rules.recommendations.append(_Stored(now, spec))
        if spec > self._most or spec < self._least:
            desired, failed = (self._most if spec > self._most else self._least), False
        else:
            wanted = [
                self._wants(metric, value, spec, status, ready)
                for metric in self._metrics
                if (value := values[metric.name]) is not None
            ]
            failed = len(wanted) < len(self._metrics)
            if not wanted or (failed and max(wanted) < spec):
                return spec, True
            desired = self._rules.decide(max(wanted), spec, self._least, self._most, now)
        if desired != spec:
            self._rules.changed(desired - spec, now)
        return desired, failed

    def _wants(self, metric: Metric, value: int, spec: int, status: int, ready: int) -> int:
        ratio = value / metric.target_milli
        down, up = self._tolerances
        if metric.average:
            if status and 1 - down <= value / (float(metric.target_milli) * status) <= 1 + up:
                return status
            return min(math.ceil(ratio), _INT32_MAX)
        if 1 - down <= ratio <= 1 + up:
            return spec
        return min(math.ceil(ratio * ready), _INT32_MAX)


def _given(side: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (side or {}).items() if value is not None}


def _quantity(text: str | None, default: float) -> float:
    if text is None:
        return default
    return float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)

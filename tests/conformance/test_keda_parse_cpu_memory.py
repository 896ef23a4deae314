"""Trigger parameters of cpu and memory mean what KEDA's own code makes of them; each difference has a named rule.

Where a rule explains that a case is refused, what it objects to is mended, so that the rest of the case is compared.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scaler.model import MetricType
from scalers.resources.config import ResourceConfig
from scalers.resources.cpu import CpuScaler
from scalers.resources.memory import MemoryScaler

MEASURED = Path(__file__).parent / "data" / "keda-parse-cpu-memory.jsonl.gz"
UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance" / "table-keda-parse-cpu-memory.jsonl.gz"
LARGEST = 10**15
SCALERS = [CpuScaler, MemoryScaler]


def load(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def mend(parameters: dict[str, str], error: Mapping[str, Any]) -> str | None:
    """Mend what one of our errors objects to, and return the rule that makes us object where KEDA does not."""
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        del parameters[name]
        return "unknown parameters are refused"
    if name == "value" and float(parameters[name]) <= 0:
        parameters[name] = "1"
        return "a target is above 0"
    if name == "value" and float(parameters[name]) > LARGEST:
        parameters[name] = "1"
        return "a target that KEDA overflows with is refused"
    return None


def compare(config: ResourceConfig, metric_type: MetricType, case: Mapping[str, Any], *, mended: bool) -> list[str]:
    """Return what differs."""
    spec = case["metric_spec"]
    pairs: dict[str, tuple[Any, Any]] = {
        "metricType": (metric_type.value, spec["target_type"]),
        "containerName": (config.container(), spec.get("container")),
        "type": (config.type or "", case["parsed"]["type"]),
    }
    if not mended:
        kedas = spec["averageUtilization"] if metric_type is MetricType.UTILIZATION else spec["averageValue_milli"]
        ours = config.target() * (1 if metric_type is MetricType.UTILIZATION else 1000)
        pairs["value"] = (ours, kedas)
    return [f"{name}: {ours!r}, KEDA {kedas!r}" for name, (ours, kedas) in pairs.items() if ours != kedas]


def differences(scaler: type[CpuScaler | MemoryScaler], case: Mapping[str, Any], rules: Counter[str]) -> list[str]:
    """Return what no rule explains, counting the rules that explain the rest."""
    parameters = {name: value for name, value in case["metadata"].items() if value.strip()}
    declared = MetricType(case["metric_type"]) if case["metric_type"] else None
    if declared not in {None, *scaler.metric_types}:
        return [] if case["is_error"] else [f"metricType {declared}"]
    applied: set[str] = set()
    while True:
        try:
            config = scaler.Config.model_validate(parameters)
            metric_type = config.metric_type(declared)
        except ValidationError as refusal:
            if case["is_error"]:
                return []
            for error in refusal.errors(include_input=False, include_context=False):
                rule = mend(parameters, error)
                if rule is None:
                    return [f"refused: {error['loc']} {error['msg']}"]
                applied.add(rule)
            continue
        except ValueError as refusal:
            return [] if case["is_error"] else [f"refused: {refusal}"]
        break
    if case["is_error"]:
        return ["accepted, and KEDA refuses it"]
    rules.update(applied)
    return compare(config, metric_type, case, mended=parameters.get("value") != case["metadata"]["value"])


def check(scaler: type[CpuScaler | MemoryScaler], cases: list[dict[str, Any]]) -> Counter[str]:
    rules: Counter[str] = Counter()
    found = [(case, differing) for case in cases if (differing := differences(scaler, case, rules))]
    print(f"{len(cases)} cases; explained by rule: {dict(rules)}")  # noqa: T201 - what the run is to show
    assert not found, f"{len(found)} cases differ; the first: {found[0]}"
    return rules


@pytest.mark.parametrize("scaler", SCALERS)
def test_parameters_mean_what_keda_makes_of_them(scaler: type[CpuScaler | MemoryScaler]) -> None:
    cases = load(MEASURED)
    assert len(cases) == 50
    assert check(scaler, cases) == {
        "unknown parameters are refused": 3,
        "a target is above 0": 6,
        "a target that KEDA overflows with is refused": 1,
    }


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.skipif(not UPSTREAM.is_file(), reason="the upstream tables lie beside the checkout only")
def test_parameters_of_keda_s_own_tests_mean_the_same(scaler: type[CpuScaler | MemoryScaler]) -> None:
    assert check(scaler, load(UPSTREAM)) == {}

"""What one replica is to carry: Knative's target from requests and utilization, by the parameters of `http`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scalers.http.config import HttpConfig

UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance" / "table-knative-resolve-target.jsonl.gz"
ANNOTATION = "autoscaling.knative.dev/"


METRICS = {"concurrency": "concurrency", "rps": "rate"}


def target(metric: str, requests: float, percent: float) -> float:
    given = {
        "metric": METRICS[metric],
        "concurrentRequests": f"{requests:g}",
        "targetUtilizationPercentage": f"{percent:g}",
    }
    return HttpConfig.model_validate(given).target()


def check(name: str, cases: list[dict[str, Any]], account: Any, rules: dict[str, int]) -> None:
    for case in cases:
        config, annotations, metric = case["config"], case["annotations"], case["metric"]
        if metric == "concurrency":
            limit = case["container_concurrency"]
            default = limit or config["container_concurrency_target_default"]
            share = config["container_concurrency_target_fraction"]
        else:
            limit, default, share = 0, config["rps_target_default"], config["target_utilization"]
        given = annotations.get(f"{ANNOTATION}target")
        percent = annotations.get(f"{ANNOTATION}target-utilization-percentage")
        requests = default if given is None else float(given)
        utilization = share * 100 if percent is None else float(percent)
        if not float(requests).is_integer() or not 1 <= utilization <= 100:
            with pytest.raises(ValidationError):
                target(metric, requests, utilization)
            account.explain("whole-requests-and-percent")
            continue
        found = target(metric, requests, utilization)
        if found != pytest.approx(case["expected_target"], rel=1e-12):
            # The limit is that of Knative's sidecar; we have none, and take the target as it is given.
            assert 0 < limit < requests, case["id"]
            assert target(metric, limit, utilization) == pytest.approx(case["expected_target"], rel=1e-12), case["id"]
            account.explain("no-container-concurrency")
    account.close(name, len(cases), rules)


def test_targets_are_those_of_knative(recorded: Any, account: Any) -> None:
    check(
        "knative-resolve-target",
        recorded("knative-resolve-target"),
        account,
        {"no-container-concurrency": 24, "whole-requests-and-percent": 87},
    )


@pytest.mark.skipif(not UPSTREAM.exists(), reason="Knative's own tables are not beside the checkout")
def test_targets_are_those_of_knatives_own_tables(account: Any) -> None:
    with gzip.open(UPSTREAM, "rt") as lines:
        check(
            "table-knative-resolve-target",
            [json.loads(line) for line in lines],
            account,
            {"no-container-concurrency": 1, "whole-requests-and-percent": 1},
        )

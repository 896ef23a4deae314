"""A load of 100 concurrent requests begins at once, at one replica and at zero: until there are enough replicas."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from scaler.testing import http_app
from scaler.testing.http_client import Client, Kind, Shape, Tally
from scaler.testing.http_service import HttpService, rule

CLIENTS = 100
TARGET = 10
# `targetUtilizationPercentage` is 100 here; with Knative's 70 it would be 15.
ENOUGH = CLIENTS // TARGET
_LIMIT_S = 60.0


def main() -> None:
    """Measure both, over Knative's own windows, and print them."""
    print(f"1 -> {CLIENTS} concurrent requests, {TARGET} for each replica, windows of 60 s and 6 s")
    for least in (1, 0):
        with tempfile.TemporaryDirectory(prefix="scaler-bench-") as folder:
            _measure(Path(folder), least)


def _measure(folder: Path, least: int) -> None:
    scale = {
        "minReplicas": least,
        "maxReplicas": 20,
        "pollingInterval": 1,
        "rules": [rule(concurrentRequests=str(TARGET), window="60")],
    }
    service = HttpService(folder, [http_app.manifest("app", scale=scale)])
    kinds = {Kind.SLOW: 1.0}
    with service.running():
        service.wait_for_ready("app", least)
        with Client(service.target("app", kinds=kinds), seed=1, shape=Shape(max_seconds=1.0)) as client:
            began = time.monotonic()
            with client.steadily(CLIENTS):
                service.wait_for_ready("app", 2, within_s=_LIMIT_S)
                first = time.monotonic() - began
                service.wait_for_ready("app", ENOUGH, within_s=_LIMIT_S)
                enough = time.monotonic() - began
            _report(least, first, enough, client.tally)


def _report(least: int, first: float, enough: float, tally: Tally) -> None:
    print(
        f"from {least}: a second replica ready after {first:.2f} s, {ENOUGH} after {enough:.2f} s;"
        f" {tally.requests.total()} requests, {tally.failure_count} failed,"
        f" slowest {max(tally.slowest_s.values(), default=0):.2f} s",
        flush=True,
    )

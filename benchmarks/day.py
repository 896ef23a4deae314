"""A day of readings, one each second, through `scaler simulate`: how long it takes, and how much it prints."""

from __future__ import annotations

import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

GOAL_S = 10.0
READINGS = 86_400
_BEGIN = 1_700_000_000
_RULES: Mapping[str, Mapping[str, object]] = {
    "queue": {"custom": {"type": "redis", "metadata": {"address": "localhost:6379", "listName": "jobs"}}},
    "http": {"http": {"metadata": {"concurrentRequests": "10"}}},
}


def main() -> None:
    """Measure a queue and requests, in both formats, and print them."""
    print(f"{READINGS} readings at 1 s, a load that rises and falls once; goal {GOAL_S:g} s")
    with tempfile.TemporaryDirectory(prefix="scaler-bench-") as folder:
        for kind in _RULES:
            manifest, trace = Path(folder) / f"{kind}.yaml", Path(folder) / f"{kind}.jsonl"
            manifest.write_text(json.dumps(_app(kind)))
            trace.write_text("\n".join(_lines(kind)))
            for format_ in ("jsonl", "table"):
                _measure(kind, manifest, trace, format_)


def _measure(kind: str, manifest: Path, trace: Path, format_: str) -> None:
    command = [sys.executable, "-m", "scaler", "simulate", str(manifest), "--trace", str(trace), "--format", format_]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    printed = subprocess.run(command, check=True, capture_output=True).stdout
    elapsed_s = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = len(printed.splitlines())
    print(
        f"{kind:<5} {format_:<5} {elapsed_s:5.1f} s, {cpu_s:5.1f} s of CPU ({cpu_s / GOAL_S:.0%} of the goal),"
        f" {len(printed) / 1e6:.1f} MB in {lines} lines",
        flush=True,
    )


def _app(kind: str) -> Mapping[str, object]:
    return {
        "name": "worker",
        "properties": {
            "configuration": {"ingress": {"targetPort": 8080}} if kind == "http" else {},
            "template": {
                "containers": [{"name": "main", "image": "worker"}],
                "scale": {"maxReplicas": 50, "rules": [{"name": "load", **_RULES[kind]}]},
            },
        },
    }


def _lines(kind: str) -> Iterator[str]:
    """Yield the lines as `--record` writes them."""
    chance = random.Random(1)  # noqa: S311 - a load is no secret
    for second in range(READINGS):
        load = max(0.0, 20 - 18 * math.cos(2 * math.pi * second / READINGS) + chance.gauss(0, 3))
        per_replica = 10 if kind == "http" else 5
        reading: dict[str, object] = {"value": int(load * per_replica), "active": load > 0}
        if kind == "http":
            reading["mean"] = load * per_replica
        yield json.dumps({"t": _BEGIN + second, "workload": "worker", "readings": {"load": reading}})

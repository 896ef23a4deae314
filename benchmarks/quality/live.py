"""The simulated fleet against a real one: a Redis list, the service and local processes, on the same short load."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from redis import Redis

from benchmarks.quality import manifest
from benchmarks.quality.live_check import Short, report
from benchmarks.quality.plant import run
from benchmarks.quality.policies import Ours
from benchmarks.quality.traces import LIST, Shape, Trace, draw
from scaler.testing.polling import eventually
from scaler.testing.servers.redis import RedisServer
from scaler.testing.service_process import ServiceProcess

_WORK = replace(LIST, service_s=1.0, slo_s=10.0)
_SHAPE = Shape("live", 60.0, lambda _: lambda t: 2.0 if t < 20 else 6.0, "2, after 20 s 6")
_QUIET_S = 15.0
_FIELDS = {"pollingInterval": 2.0, "cooldownPeriod": 5.0}


def main(seed: int) -> None:
    """Run both, and print how far they are apart."""
    drawn = draw(_SHAPE, _WORK, seed)
    duration_s = _SHAPE.busy_s + _QUIET_S
    trace = Short(drawn.name, drawn.work, seed, duration_s, drawn.arrivals, drawn.services)
    simulated = run(trace, Ours(manifest.workload(_WORK, _FIELDS), seed))
    with tempfile.TemporaryDirectory(prefix="scaler-bench-") as folder, RedisServer.running() as server:
        service = ServiceProcess(Path(folder), _manifest(server.port), actuator="process")
        with service.running() as api, server.client() as queue:
            counts, waits = _follow(trace, queue, lambda: api.workload("worker").current_replicas)
    report("messages", trace, simulated, counts, waits)


def _manifest(port: int) -> str:
    worker = str(Path(__file__).with_name("live_worker.py"))
    metadata = {"address": f"127.0.0.1:{port}", "listName": "jobs", "listLength": str(_WORK.target)}
    container = {
        "name": "worker",
        "image": "none",
        "command": [sys.executable, worker],
        "env": [{"name": "REDIS_PORT", "value": str(port)}],
    }
    rules = [{"name": "load", "custom": {"type": "redis", "metadata": metadata}}]
    scale = {"minReplicas": 0, "maxReplicas": 50, "rules": rules, **_FIELDS}
    return json.dumps({"name": "worker", "properties": {"template": {"containers": [container], "scale": scale}}})


def _follow(trace: Trace, queue: Redis, count: Callable[[], int]) -> tuple[list[int], list[float]]:
    """Send the load; return the counts second by second, and how long each piece waited."""
    began, sent, counts = time.time(), 0, []
    for second in range(int(trace.duration_s)):
        while sent < len(trace.arrivals) and trace.arrivals[sent] < second + 1:
            time.sleep(max(0.0, began + trace.arrivals[sent] - time.time()))
            queue.rpush("jobs", f"{sent}:{trace.services[sent]}")
            sent += 1
        time.sleep(max(0.0, began + second + 1 - time.time()))
        counts.append(count())
    eventually(lambda: queue.llen("begun") == sent, within_s=60, what="all work begun")
    begun = dict(item.decode().split(":") for item in queue.lrange("begun", 0, -1))
    return counts, [float(begun[str(piece)]) - began - at for piece, at in enumerate(trace.arrivals)]

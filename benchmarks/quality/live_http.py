"""The simulated fleet against a real one: requests through Envoy to local processes, on the same short load.

The app takes every request at once and answers after the request's own service time, so that what a request waits for
is a replica: all that is more than its service time is its wait.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.quality import manifest
from benchmarks.quality.live_check import START_S, Short, report
from benchmarks.quality.plant import run
from benchmarks.quality.policies import Ours
from benchmarks.quality.traces import HTTP, Shape, draw
from scaler.testing import http_app
from scaler.testing.http_service import HttpService

_SHAPE = Shape("live", 50.0, lambda _: lambda t: 2.0 if t < 20 else 8.0, "2, after 20 s 8; 0.4 of it")
# The windows of a minute have to run empty.
_QUIET_S = 75.0
_FIELDS = {"cooldownPeriod": 5.0}
_APP = "web"
# More than are ever in flight, so that requests leave when they are due.
_CLIENTS = 256
_PATIENCE_S = 60.0


def main(seed: int) -> None:
    """Run both, and print how far they are apart."""
    drawn = draw(_SHAPE, HTTP, seed)
    work = replace(HTTP, slots=_CLIENTS)
    trace = Short(drawn.name, work, seed, _SHAPE.busy_s + _QUIET_S, drawn.arrivals, drawn.services)
    simulated = run(trace, Ours(manifest.workload(work, _FIELDS), seed))
    with tempfile.TemporaryDirectory(prefix="scaler-bench-") as folder:
        service = HttpService(Path(folder), [_manifest()])
        with service.running():
            counts, waits = _follow(trace, service)
    report("requests", trace, simulated, counts, waits)


def _manifest() -> str:
    rule = {"name": "load", "http": {"metadata": {"concurrentRequests": str(HTTP.target)}}}
    scale = {"minReplicas": 0, "maxReplicas": manifest.MAX_REPLICAS, "rules": [rule], **_FIELDS}
    return http_app.manifest(_APP, script=http_app.PLAIN, environment={"START_DELAY_S": str(START_S)}, scale=scale)


def _follow(trace: Short, service: HttpService) -> tuple[list[int], list[float]]:
    """Send the load; return the counts second by second, and how long each request waited."""
    port = service.target(_APP).port
    counts: list[int] = []
    answers: list[Future[float]] = []
    with ThreadPoolExecutor(_CLIENTS) as clients:
        began = time.monotonic()
        for second in range(int(trace.duration_s)):
            while len(answers) < len(trace.arrivals) and trace.arrivals[len(answers)] < second + 1:
                due = began + trace.arrivals[len(answers)]
                time.sleep(max(0.0, due - time.monotonic()))
                answers.append(clients.submit(_ask, port, trace.services[len(answers)], due))
            time.sleep(max(0.0, began + second + 1 - time.monotonic()))
            counts.append(service.api.workload(_APP).current_replicas)
        return counts, [each.result() for each in answers]


def _ask(port: int, service_s: float, due: float) -> float:
    """Send a request; return how much later than due and served its answer came."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", f"/slow?seconds={service_s}", headers={"Host": f"{_APP}.localhost"})
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise RuntimeError(f"a request was answered {answer.status}")
    return time.monotonic() - due - service_s

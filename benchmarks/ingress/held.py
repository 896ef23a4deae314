"""5,000 requests wait for one app at the same time: what each takes of memory, and how long until all are answered."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import psutil

from scaler.testing import http_app
from scaler.testing.http_client import Client, Kind
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.polling import eventually

HELD = 5000
_LIMIT_S = 120.0
_GATED = 'while [ ! -e "$GATE" ]; do sleep 0.05; done; exec "$@"'


def main() -> None:
    """Hold them, let the app be ready, and print memory and times."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="scaler-bench-") as name:
        folder = Path(name)
        app = http_app.manifest(
            "app",
            start=["sh", "-c", _GATED, "sh", *http_app.command()],
            environment={"GATE": str(folder / "open")},
            ingress={"hold": {"maxRequests": HELD}},
            scale={**QUICK, "maxReplicas": 1, "rules": [rule(concurrentRequests="100000")]},
        )
        service = HttpService(folder, [app])
        with service.running(), Client(service.target("app"), seed=1, limit_s=_LIMIT_S) as client:
            _measure(service, client, folder)


def _measure(service: HttpService, client: Client, folder: Path) -> None:
    envoy = service.envoy()
    if envoy is None:
        raise RuntimeError("no Envoy runs")
    processes = {"service": psutil.Process(service.pid), "Envoy": envoy}
    # Where each has been before: its first steps take memory once, not for each request.
    service.wait_for_zero("app")
    idle = {name: process.memory_info().rss for name, process in processes.items()}
    waiting = [client.start(Kind.GET) for _ in range(HELD)]
    eventually(
        lambda: service.metric("scaler_requests_held", workload="app") == HELD,
        within_s=_LIMIT_S,
        what=f"{HELD} held",
    )
    full = {name: process.memory_info().rss for name, process in processes.items()}
    (folder / "open").touch()
    service.wait_for_ready("app", 1)
    began = time.monotonic()
    for each in waiting:
        each.result()
    seconds = time.monotonic() - began
    tally = client.tally
    print(
        f"{HELD} held: {tally.requests.total()} answered, {tally.failure_count} failed;"
        f" all {seconds:.1f} s after it was ready"
    )
    for line in tally.described:
        print(line)
    for name in processes:
        each_kib = (full[name] - idle[name]) / HELD / 1024
        print(
            f"{name}: {full[name] / 2**20:.0f} MiB, {each_kib:.1f} KiB for each above {idle[name] / 2**20:.0f} MiB idle"
        )
    total_kib = (sum(full.values()) - sum(idle.values())) / HELD / 1024
    print(f"ratio: {sum(full.values()) / 2**20:.0f} MiB in all, {total_kib:.1f} KiB for each request", flush=True)

"""1,000 apps behind one ingress: until a changed one is served as it says now, and what doing nothing costs."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.machine import percentile
from scaler.testing import http_app
from scaler.testing.http_client import Client
from scaler.testing.http_service import HttpService
from scaler.testing.polling import eventually

APPS = 1000
CHANGES = 20
IDLE_S = 10.0


def main() -> None:
    """Measure one app and then many, and print both."""
    few = _measure(1)
    many = _measure(APPS)
    print(f"ratio: with {APPS} apps a change takes {many / few:.1f} times as long as with one (p50)", flush=True)


def _measure(count: int) -> float:
    with tempfile.TemporaryDirectory(prefix="scaler-bench-") as folder:
        apps = [_app(f"app-{number}") for number in range(count)]
        service = HttpService(Path(folder), [json.dumps(app) for app in apps])
        began = time.monotonic()
        with service.running():
            with Client(service.target("app-0"), seed=1) as client:
                last = f"app-{count - 1}.localhost"
                eventually(lambda: client.ask("GET", "/no", host=last).status == 503, what="the last route")
                started = time.monotonic() - began
                seconds = [_change(service, client, apps, number) for number in range(CHANGES)]
            cpu, memory = _idle(service)
    p50, p99 = (percentile(seconds, part) for part in (0.5, 0.99))
    print(
        f"{count} apps: routed {started:.1f} s after the start; one changed in its manifest and served so after"
        f" p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms; idle: {cpu}; {memory}",
        flush=True,
    )
    return p50


def _app(name: str, status: int = 503) -> dict[str, object]:
    # What is not to start it is answered by the ingress: no replica takes part.
    hold = {"exclude": [{"pathPrefix": "/no", "status": status}]}
    return dict(json.loads(http_app.manifest(name, ingress={"hold": hold}, scale={"minReplicas": 0})))


def _change(service: HttpService, client: Client, apps: list[dict[str, object]], number: int) -> float:
    domain = f"changed-{number}.example"
    name = str(apps[-1]["name"])
    changed = _app(name)
    properties = changed["properties"]
    if not isinstance(properties, dict):
        raise TypeError(properties)
    properties["configuration"]["ingress"]["customDomains"] = [{"name": domain}]
    apps[-1] = changed
    service.manifest.write_text("\n---\n".join(json.dumps(app) for app in apps))
    began = time.monotonic()
    service.reload()
    eventually(lambda: client.ask("GET", "/no", host=domain).status == 503, what="the new route")
    return time.monotonic() - began


def _idle(service: HttpService) -> tuple[str, str]:
    envoy = service.envoy()
    if envoy is None:
        raise RuntimeError("no Envoy runs")
    processes = {"service": psutil.Process(service.pid), "Envoy": envoy}

    def cpu_s() -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in processes.items()}
        return {name: time_.user + time_.system for name, time_ in times.items()}

    before = cpu_s()
    time.sleep(IDLE_S)
    after = cpu_s()
    cpu = ", ".join(f"{name} {100 * (after[name] - before[name]) / IDLE_S:.1f} % of a core" for name in processes)
    memory = ", ".join(f"{name} {process.memory_info().rss / 2**20:.0f} MiB" for name, process in processes.items())
    return cpu, memory

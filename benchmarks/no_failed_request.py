"""Apps go from zero to several replicas and back, by processes and by containers, under a client that never stops.

How many cycles: `SCALER_BENCH_CYCLES` by processes (500), `SCALER_BENCH_CONTAINER_CYCLES` by containers (50).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scaler.testing.http_app import PLAIN, RPC, image
from scaler.testing.http_client import Client, Shape, Tally
from scaler.testing.http_cycles import Seen, drive
from scaler.testing.http_service import HttpService, quick_app
from scaler.testing.servers.docker import DockerServer

CYCLES = int(os.environ.get("SCALER_BENCH_CYCLES", "500"))
CONTAINER_CYCLES = int(os.environ.get("SCALER_BENCH_CONTAINER_CYCLES", "50"))
# Far more than it takes; what is not reached by then is a failure, too.
LIMIT_S = 3600.0
_SHAPE = Shape(max_seconds=1.0)
# Names of apps, and whether they speak gRPC.
_BY_PROCESSES = {**{f"app-{number}": False for number in range(6)}, "calls-0": True, "calls-1": True}
_BY_CONTAINERS = {"app-0": False, "app-1": False, "calls-0": True}


def main() -> None:
    """Run both, and end with an error if a request failed, came twice, or cycles are missing.

    Raises:
        SystemExit: So it was.
    """
    broken = _by_processes() + _by_containers()
    if broken:
        sys.exit("\n".join(broken))


def _by_processes() -> list[str]:
    with tempfile.TemporaryDirectory(prefix="scaler-bench-") as name:
        folder = Path(name)
        manifests = [quick_app(app, folder, rpc=rpc) for app, rpc in _BY_PROCESSES.items()]
        service = HttpService(folder, manifests)
        with service.running():
            broken = _cycle(service, "processes", _BY_PROCESSES, CYCLES)
        repeated = service.repeated()
    print(f"requests that reached an app twice: {len(repeated)}", flush=True)
    return [*broken, *(f"request {number} reached an app twice" for number in repeated[:10])]


def _by_containers() -> list[str]:
    with tempfile.TemporaryDirectory(prefix="scaler-bench-") as folder, DockerServer(private=True) as engine:
        images = {False: "scaler-bench-app:1", True: "scaler-bench-calls:1"}
        image.load(engine, images[False], PLAIN)
        image.load(engine, images[True], RPC)
        manifests = [quick_app(app, image=images[rpc], rpc=rpc) for app, rpc in _BY_CONTAINERS.items()]
        environment = {"DOCKER_HOST": engine.base_url}
        service = HttpService(Path(folder), manifests, actuator="docker", env=environment)
        with service.running():
            return _cycle(service, "containers", _BY_CONTAINERS, CONTAINER_CYCLES)


def _cycle(service: HttpService, what: str, apps: Mapping[str, bool], cycles: int) -> list[str]:
    each = -(-cycles // len(apps))
    began = time.monotonic()

    def run(numbered: tuple[int, str]) -> tuple[Seen, Tally]:
        number, app = numbered
        target = service.rpc_target(app) if apps[app] else service.target(app)
        with Client(target, seed=number, shape=_SHAPE) as client:
            return drive(service, client, app, cycles=each, seed=number, limit_s=LIMIT_S), client.tally

    with ThreadPoolExecutor(len(apps)) as pool:
        results = list(pool.map(run, enumerate(apps)))
    total = Tally()
    for _, tally in results:
        total.add(tally)
    reached = sum(seen.cycles for seen, _ in results)
    falls = sum(seen.falls for seen, _ in results)
    print(f"{what}: {reached} cycles of 0 -> n -> 0 by {len(apps)} apps in {time.monotonic() - began:.0f} s,")
    print(f"at most {max(seen.most for seen, _ in results)} replicas each, {falls} scale-ins that left some")
    print(total, flush=True)
    broken = [f"{what}: {total.failure_count} requests failed"] if total.failure_count else []
    return broken if reached >= cycles else [*broken, f"{what}: only {reached} of {cycles} cycles"]

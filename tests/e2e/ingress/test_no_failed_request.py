"""No request fails while apps go from zero to several replicas and back; `benchmarks no_failed_request` does 500."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scaler.testing.http_app import PLAIN, RPC, image
from scaler.testing.http_client import Client, Shape
from scaler.testing.http_cycles import Seen, drive
from scaler.testing.http_service import HttpService, quick_app
from scaler.testing.servers.docker import DockerServer

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

CYCLES = int(os.environ.get("SCALER_TEST_CYCLES", "3"))
SHAPE = Shape(max_seconds=1.0)


def assert_no_failure(service: HttpService, apps: dict[str, bool]) -> None:
    """Drive all apps, those that speak gRPC marked by True, at the same time."""

    def cycle(numbered: tuple[int, str]) -> tuple[Seen, Client]:
        number, app = numbered
        target = service.rpc_target(app) if apps[app] else service.target(app)
        with Client(target, seed=number, shape=SHAPE) as client:
            return drive(service, client, app, cycles=CYCLES, seed=number, limit_s=300), client

    with ThreadPoolExecutor(len(apps)) as pool:
        for app, (seen, client) in zip(apps, pool.map(cycle, enumerate(apps)), strict=True):
            assert client.tally.failure_count == 0, f"{app}, {seen}:\n{client.tally}\n{service.log[-3000:]}"
            assert seen.cycles >= CYCLES
            assert client.tally.held >= CYCLES
            assert seen.most > 1


def test_processes_come_and_go_and_every_request_is_answered(tmp_path: Path) -> None:
    apps = {"first": False, "second": False, "calls": True}
    service = HttpService(tmp_path, [quick_app(app, tmp_path, rpc=rpc) for app, rpc in apps.items()])
    with service.running():
        assert_no_failure(service, apps)
        assert service.repeated() == []


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        image.load(server, "scaler-test-app:1", PLAIN)
        image.load(server, "scaler-test-calls:1", RPC)
        yield server


def test_containers_come_and_go_and_every_request_is_answered(tmp_path: Path, engine: DockerServer) -> None:
    apps = {"plain": False, "calls": True}
    manifests = [
        quick_app(app, image="scaler-test-calls:1" if rpc else "scaler-test-app:1", rpc=rpc)
        for app, rpc in apps.items()
    ]
    service = HttpService(tmp_path, manifests, actuator="docker", env={"DOCKER_HOST": engine.base_url})
    with service.running():
        assert_no_failure(service, apps)

"""Envoys that others run, two at once: both are told, waited for and counted, and one may go."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from scaler.ingress.envoy.process import executable
from scaler.testing import http_app
from scaler.testing.http_client import HELD, Client, Kind, Shape, Target
from scaler.testing.http_service import QUICK, HttpService, quick_app, rule
from scaler.testing.polling import eventually
from scaler.testing.servers.process import free_port

pytestmark = pytest.mark.services


class Envoy:
    """One that is started by the bootstrap that the command line prints."""

    def __init__(self, service: HttpService, folder: Path, node: str) -> None:
        self.admin = f"127.0.0.1:{free_port()}"
        self._log = folder / f"{node}.log"
        printed = service.command("envoy-bootstrap", "--node", node, "--admin", self.admin)
        assert printed.returncode == 0, printed.stderr
        config = folder / f"{node}.json"
        config.write_text(printed.stdout)
        self._command = [str(executable()), "-c", str(config), "--disable-hot-restart", "--concurrency", "1"]
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, "-l", "warning"], stdout=log, stderr=log, env={**os.environ}
            )
        try:
            yield
        finally:
            self.kill()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stat(self, name: str) -> int:
        """Return the sum of the numbers whose names end so."""
        with urllib.request.urlopen(f"http://{self.admin}/stats?format=json", timeout=10) as answer:
            stats = json.load(answer)["stats"]
        return sum(each["value"] for each in stats if each.get("name", "").endswith(name))


class World:
    """A service, the Envoys, and where apps reach each other."""

    def __init__(self, folder: Path, apps: list[str]) -> None:
        self.service = HttpService(folder, apps)
        self.inside = Target(free_port(), "inner")
        self.envoys = [Envoy(self.service, folder, node) for node in ("left", "right")]

    @contextmanager
    def running(self) -> Iterator[None]:
        with ExitStack() as stack:
            for envoy in self.envoys:
                stack.enter_context(envoy.running())  # before the service: they find it as soon as it is there
            internal = f"127.0.0.1:{self.inside.port}"
            stack.enter_context(self.service.running("--external-envoy", "--ingress-internal", internal))
            eventually(lambda: all(self.connected()), what="both Envoys")
            yield

    def connected(self) -> list[bool]:
        """Return of each Envoy whether it listens."""
        found = []
        for envoy in self.envoys:
            with suppress(OSError):
                found.append(envoy.stat("listener_manager.total_listeners_active") > 0)
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    inner = http_app.manifest("inner", ingress={"external": False}, scale={**QUICK, "rules": [rule()]})
    world = World(tmp_path, [quick_app("app", tmp_path), inner])
    with world.running():
        yield world


def test_two_at_once_and_one_of_them_goes(world: World) -> None:
    service = world.service
    assert service.envoy() is None, "the service starts none"
    with Client(service.target("app", kinds={Kind.SLOW: 1.0}), seed=1, shape=Shape(max_seconds=3.0)) as client:
        with client.steadily(16):
            # Each has a part of the connections, and the service counts the parts together.
            eventually(
                lambda: all(envoy.stat("cluster.app/app.upstream_rq_active") > 1 for envoy in world.envoys),
                what="requests in both",
            )
            eventually(
                lambda: (
                    service.metric("scaler_requests_in_flight", workload="app")
                    > max(envoy.stat("cluster.app/app.upstream_rq_active") for envoy in world.envoys)
                ),
                what="the sum",
            )
        service.wait_for_zero("app")
    with Client(service.target("app"), seed=2, shape=Shape(max_seconds=0.2)) as client:
        for _ in range(6):
            client.send(Kind.GET)
        service.wait_for_zero("app")
        assert client.tally.failure_count == 0, client.tally
        assert client.tally.held >= 1
        world.envoys[0].kill()
        for _ in range(2):  # the one that is left is all that is waited for
            client.burst(4, 0.5)
            service.wait_for_zero("app")
        assert client.tally.failure_count == 0, f"{client.tally}\n{service.log[-3000:]}"
    assert service.metric("scaler_proxy_up") == 1
    assert service.repeated() == []


def test_an_internal_app_is_reached_by_the_internal_listener_only(world: World) -> None:
    with Client(world.service.target("inner"), seed=1) as outside:
        for host in ("inner", "inner.localhost", "inner.scaler.internal"):
            assert outside.ask("GET", "/", host=host).status == 404
    assert world.service.replicas("inner") == 0, "who is not let in starts nothing"
    with Client(world.inside, seed=1) as inside:
        first = inside.ask("GET", "/")
        assert (first.status, HELD in first.headers) == (200, True)
        for host in ("inner.localhost", "inner.scaler.internal", "app"):
            assert inside.ask("GET", "/", host=host).status == 200

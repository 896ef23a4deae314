"""Requests that wait while an app cannot serve yet: how many, for whom, and what they are told when it never will."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from scaler.testing import http_app
from scaler.testing.http_client import Client, Kind
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.polling import eventually
from scaler.testing.servers.docker import DockerServer

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

CAP = 1000
# Longer than any time-out or back-off that is not meant for holds.
LONG_S = 15.0
# Half of what a request may be held: who is answered by then was not told at the end of that.
AT_ONCE_S = 120.0


def gated(folder: Path, *, ingress: dict[str, object] | None = None) -> str:
    """Return an app that is not ready before there is a file `open` in the folder."""
    wait = 'while [ ! -e "$GATE" ]; do sleep 0.05; done; exec "$@"'
    return http_app.manifest(
        "app",
        start=["sh", "-c", wait, "sh", *http_app.command()],
        environment={"GATE": str(folder / "open"), **HttpService.log_of_requests(folder)},
        ingress=ingress,
        scale={**QUICK, "maxReplicas": 2, "rules": [rule(concurrentRequests="1000")]},
    )


def held(service: HttpService) -> float:
    return service.metric("scaler_requests_held", workload="app")


def test_one_more_than_the_cap_is_told_to_come_again(tmp_path: Path) -> None:
    service = HttpService(tmp_path, [gated(tmp_path)])
    with service.running(), Client(service.target("app"), seed=1, limit_s=120) as client:
        waiting = [client.start(Kind.GET) for _ in range(CAP)]
        eventually(lambda: held(service) == CAP, what="as many held as may be")
        answer = client.ask("GET", "/")
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.body.strip()
        (tmp_path / "open").touch()
        for each in waiting:
            each.result()
        assert client.tally.failure_count == 0, f"{client.tally}\n{service.log[-3000:]}"
        assert client.tally.held == CAP
        assert held(service) == 0
    assert service.repeated() == []


def test_a_long_hold_is_one_hold(tmp_path: Path) -> None:
    """The proxy asks once, and waits for the answer."""
    service = HttpService(tmp_path, [gated(tmp_path)])
    with service.running(), Client(service.target("app"), seed=1) as client:
        waiting = client.start(Kind.GET)
        eventually(lambda: held(service) == 1, what="one held")
        began = time.monotonic()
        while time.monotonic() < began + LONG_S:
            assert held(service) == 1
            assert service.metric("scaler_holds_total", workload="app") == 0
        (tmp_path / "open").touch()
        waiting.result()
        assert client.tally.failure_count == 0, client.tally
        assert client.tally.longest_hold_ms >= 1000 * LONG_S


@pytest.mark.parametrize("orderly", [True, False])
def test_those_who_wait_outlast_a_restart(tmp_path: Path, *, orderly: bool) -> None:
    """The proxy asks again until there is someone to ask, who may not know the app yet."""
    service = HttpService(tmp_path, [gated(tmp_path)])
    with service.running(), Client(service.target("app"), seed=1, limit_s=120) as client:
        waiting = [client.start(Kind.GET) for _ in range(CAP // 2)]
        eventually(lambda: held(service) == len(waiting), what="all held")
        if orderly:
            assert service.stop() == 0
        else:
            service.kill()
        service.start()
        eventually(lambda: held(service) > len(waiting) // 2, within_s=60, what="most held again")
        (tmp_path / "open").touch()
        for each in waiting:
            each.result()
        assert client.tally.failure_count == 0, f"{client.tally}\n{service.log[-3000:]}"
        assert client.tally.held == len(waiting)
    assert service.repeated() == []


def test_nobody_waits_no_longer_and_nothing_runs_for_them(tmp_path: Path) -> None:
    service = HttpService(tmp_path, [gated(tmp_path)])
    with service.running(), ExitStack() as stack:
        service.wait_for_zero("app")
        assert service.ingress_port is not None
        for _ in range(200):
            client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", service.ingress_port))))
            client.sendall(b"GET / HTTP/1.1\r\nhost: app.localhost\r\n\r\n")
        eventually(lambda: held(service) == 200, what="200 held")
        eventually(lambda: service.replicas("app") > 0, what="a replica that starts for them")
        stack.close()
        eventually(lambda: held(service) == 0, what="none held")
        service.wait_for_zero("app")
    assert not (tmp_path / "requests").exists()


def test_whoever_waits_too_long_is_told_so(tmp_path: Path) -> None:
    service = HttpService(tmp_path, [gated(tmp_path, ingress={"hold": {"timeout": 1}})])
    with service.running(), Client(service.target("app"), seed=1) as client:
        answer = client.ask("GET", "/")
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0


def assert_told_why(service: HttpService, *, reason: str) -> None:
    with service.running(), Client(service.target("app"), seed=1, limit_s=AT_ONCE_S) as client:
        answer = client.ask("GET", "/")
        assert answer.status == 503
        assert reason in answer.body.decode(), service.log[-5000:]


def test_a_program_that_ends_at_once_is_the_answer(tmp_path: Path) -> None:
    broken = http_app.manifest("app", start=["sh", "-c", "exit 3"], scale={**QUICK, "rules": [rule()]})
    assert_told_why(HttpService(tmp_path, [broken]), reason="3")


@pytest.fixture
def engine() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        yield server


def test_an_image_that_is_not_there_is_the_answer(tmp_path: Path, engine: DockerServer) -> None:
    # A name that no resolver knows: nothing is asked for in any registry.
    broken = http_app.manifest("app", image="registry.invalid/nothing:1", scale={**QUICK, "rules": [rule()]})
    service = HttpService(tmp_path, [broken], actuator="docker", env={"DOCKER_HOST": engine.base_url})
    assert_told_why(service, reason="image")

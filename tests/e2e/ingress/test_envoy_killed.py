"""Envoy is killed: another one runs within a second, and takes the same configuration."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from scaler.testing import http_app
from scaler.testing.http_client import HELD, Client, Kind, Shape
from scaler.testing.http_service import QUICK, HttpService, quick_app
from scaler.testing.polling import eventually

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


def kill(envoy: psutil.Process | None) -> None:
    assert envoy is not None
    envoy.kill()
    eventually(lambda: not envoy.is_running() or envoy.status() == psutil.STATUS_ZOMBIE, what="its end")


def answers(client: Client) -> bool:
    with suppress(OSError, EOFError):
        return client.ask("GET", "/").status == 200
    return False


@contextmanager
def under_way(service: HttpService, client: Client, app: str, *, beside: int) -> Iterator[int]:
    """Have requests to an app under way of which the proxy's latest report tells; yields how many.

    What is lost is known from that report. None is held, so that the proxy alone tells of them; and they are more than
    those `beside` them and the one that asks.
    """
    host = f"{app}.localhost"
    eventually(lambda: HELD not in client.ask("GET", "/", host=host).headers, what="none is held")
    count = beside + 2
    with ExitStack() as stack:
        for _ in range(count):
            request = stack.enter_context(socket.create_connection(("127.0.0.1", service.ingress_port or 0)))
            request.sendall(f"GET /slow?seconds=600 HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        eventually(lambda: service.metric("scaler_requests_in_flight", workload=app) >= count, what="a report of them")
        yield count


def test_another_one_serves_soon_and_holds_again(tmp_path: Path) -> None:
    service = HttpService(tmp_path, [quick_app("app", tmp_path)])
    with service.running(), Client(service.target("app"), seed=1, shape=Shape(max_seconds=0.2)) as client:
        client.send(Kind.GET)
        for _ in range(3):
            kill(service.envoy())
            eventually(lambda: answers(client), what="an answer")
        client.burst(4, 1.0)
        service.wait_for_zero("app")
        client.send(Kind.GET)
        assert client.tally.failure_count == 0, f"{client.tally}\n{service.log[-3000:]}"
        assert client.tally.held >= 2


def test_it_is_told_what_was_lost(tmp_path: Path) -> None:
    """Connections through it end with it; only requests that were under way at that moment fail."""
    service = HttpService(tmp_path, [quick_app("app", tmp_path)])
    with service.running(), Client(service.target("app", kinds={Kind.SLOW: 1.0}), seed=2) as client:
        with client.steadily(4):
            eventually(lambda: client.tally.requests.total() > 20, what="20 requests")
            with under_way(service, client, "app", beside=4):
                kill(service.envoy())
            eventually(lambda: client.tally.failure_count >= 4, what="all four failed")
            eventually(lambda: answers(client), what="an answer")
        lost = client.tally.failure_count
        client.burst(4, 1.0)
        assert client.tally.failure_count == lost, f"{client.tally}\n{service.log[-3000:]}"
        assert service.metric("scaler_proxy_lost_requests_total") > 0
        assert service.metric("scaler_proxy_deaths_total") == 1
    assert len(service.events("envoy_died")) == 1


def test_those_that_waited_are_lost_too(tmp_path: Path) -> None:
    held = http_app.manifest("app", start=["sleep", "600"], grace_s=0, scale=QUICK)
    runs = http_app.manifest("runs", grace_s=0, scale={**QUICK, "minReplicas": 1})
    service = HttpService(tmp_path, [held, runs])
    with service.running(), Client(service.target("app"), seed=4, shape=Shape(max_seconds=0.1)) as client:
        with client.steadily(5):
            eventually(lambda: service.metric("scaler_requests_held", workload="app") == 5, what="five that wait")
            # A report that tells of these tells of the five, too.
            with under_way(service, client, "runs", beside=0) as count:
                kill(service.envoy())
            eventually(lambda: service.metric("scaler_proxy_lost_requests_total") > 0, what="what was lost")
        assert service.metric("scaler_proxy_lost_requests_total") == 5 + count


def test_an_app_at_zero_wakes_by_the_next_one(tmp_path: Path) -> None:
    service = HttpService(tmp_path, [quick_app("app", tmp_path)])
    with service.running(), Client(service.target("app"), seed=3) as client:
        client.send(Kind.GET)
        service.wait_for_zero("app")
        kill(service.envoy())
        eventually(lambda: answers(client), what="an answer")
        service.wait_for_zero("app")

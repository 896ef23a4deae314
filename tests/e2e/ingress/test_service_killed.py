"""The service ends as in a power cut, under load: what is hot goes on, and the next one adopts it all."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaler.testing import http_app
from scaler.testing.http_client import BY_HTTP, HELD, Client, Kind, Shape
from scaler.testing.http_service import QUICK, HttpService, quick_app, rule
from scaler.testing.polling import eventually

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

SHAPE = Shape(max_body=1_000_000, max_seconds=0.5)


def wait_for_hot(client: Client) -> None:
    """Wait until requests need no service, whichever of the proxy's threads takes them.

    A proxy hears of replicas some time after they are ready; requests that it asks about wait for the next service.
    """
    eventually(lambda: all(HELD not in client.ask("GET", "/").headers for _ in range(10)), what="none is held")


def test_hot_apps_lose_nothing_and_are_adopted(tmp_path: Path) -> None:
    service = HttpService(tmp_path, [quick_app("app", tmp_path)])
    with service.running(), Client(service.target("app"), seed=1, shape=SHAPE) as client, client.steadily(6):
        service.wait_for_ready("app", 2)
        envoy = service.envoy()
        assert envoy is not None
        for _ in range(3):
            wait_for_hot(client)
            before = {process.pid for process in service.processes("app")}
            service.kill()
            served = client.tally.requests.total()
            eventually(lambda n=served: client.tally.requests.total() > n + 100, what="answers without the service")
            service.start()
            assert service.envoy() == envoy
            served = client.tally.requests.total()
            eventually(lambda n=served: client.tally.requests.total() > n + 100, what="answers after its return")
            assert before & {process.pid for process in service.processes("app")}
        assert client.tally.failure_count == 0, f"{client.tally}\n{service.log[-3000:]}"
    assert service.repeated() == []


def test_what_is_adopted_goes_to_zero_and_wakes_again(tmp_path: Path) -> None:
    service = HttpService(tmp_path, [quick_app("app", tmp_path)])
    with service.running(), Client(service.target("app"), seed=2, shape=SHAPE) as client:
        with client.steadily(6):
            service.wait_for_ready("app", 2)
            service.kill()
            service.start()
        service.wait_for_zero("app")
        held = client.tally.held
        client.send(Kind.GET)
        assert client.tally.held == held + 1
        assert client.tally.failure_count == 0, client.tally


def test_the_service_stops_and_returns_under_load(tmp_path: Path) -> None:
    """As in an upgrade: stopped in order, and started again."""
    app = http_app.manifest("app", scale={**QUICK, "minReplicas": 1, "rules": [rule(concurrentRequests="2")]})
    service = HttpService(tmp_path, [app])
    kinds = {kind: weight for kind, weight in BY_HTTP.items() if kind is not Kind.HTTP2}
    with service.running(), Client(service.target("app", kinds=kinds), seed=3, shape=SHAPE) as client:
        service.wait_for_ready("app", 1)
        with client.steadily(4):
            for _ in range(3):
                wait_for_hot(client)
                assert service.stop() == 0
                served = client.tally.requests.total()
                eventually(lambda n=served: client.tally.requests.total() > n + 50, what="answers meanwhile")
                service.start()
        assert client.tally.failure_count == 0, f"{client.tally}\n{service.log[-3000:]}"

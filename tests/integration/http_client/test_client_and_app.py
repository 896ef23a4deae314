"""The client that never stops and the apps that it is sent against: they agree, and failures are seen."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from scaler.testing import http_app
from scaler.testing.http_client import BY_HTTP, BY_RPC, Client, Kind, Shape, Target
from scaler.testing.polling import eventually
from scaler.testing.servers.envoy import EnvoyServer
from scaler.testing.servers.http_app import HttpAppServer

pytestmark = pytest.mark.services

SHORT = Shape(max_body=10_000_000, max_seconds=0.2)


def target(port: int, script: Path) -> Target:
    return Target(port, "app.localhost", kinds=BY_HTTP if script == http_app.PLAIN else BY_RPC)


@pytest.mark.parametrize("script", [http_app.PLAIN, http_app.RPC], ids=["plain", "rpc"])
def test_every_kind_comes_back_as_it_was_sent_through_a_proxy(script: Path) -> None:
    with ExitStack() as stack:
        app = stack.enter_context(HttpAppServer.running(script))
        proxy = stack.enter_context(EnvoyServer.running(app.port, http2=script == http_app.RPC))
        client = stack.enter_context(Client(target(proxy.port, script), seed=1, shape=SHORT))
        for kind in client.target.kinds:
            for _ in range(5):
                client.send(kind)
        with client.steadily(8):
            eventually(lambda: client.tally.requests.total() >= 200, what="200 requests")
        assert client.tally.failure_count == 0, client.tally
        assert client.tally.bytes > 0
        assert len(client.tally.replicas) == 1
        numbers = Counter(line.split()[-1] for line in app.requests.read_text().splitlines() if " /" in line)
    assert numbers.total() == client.tally.requests.total()
    assert set(numbers.values()) == {1}


def test_the_app_ends_what_it_has_begun() -> None:
    with HttpAppServer.running() as app, Client(target(app.port, http_app.PLAIN), seed=2) as client:
        client.send(Kind.GET)
        waiting = client.start(Kind.SLOW)
        eventually(lambda: "/slow" in app.requests.read_text(), what="the request")
        app.stop()
        waiting.result()
        assert client.tally.failure_count == 0, client.tally


def test_a_killed_app_is_seen_and_described() -> None:
    with HttpAppServer.running() as app, Client(target(app.port, http_app.PLAIN), seed=3, shape=SHORT) as client:
        with client.steadily(4):
            eventually(lambda: client.tally.requests.total() > 50, what="50 requests")
            app.kill()
            eventually(lambda: client.tally.failure_count > 0, what="failures")
        assert "request 3-" in client.tally.described[0]
        assert f"failures: {client.tally.failure_count}" in str(client.tally)


def test_an_answer_of_another_status_is_a_failure() -> None:
    with HttpAppServer.running(http_app.RPC) as app, Client(target(app.port, http_app.PLAIN), seed=4) as client:
        client.send(Kind.GET)
        assert client.tally.failure_count == 1

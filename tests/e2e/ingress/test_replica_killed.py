"""A replica is killed under load: what had not reached it goes elsewhere, what had is never sent again."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaler.testing import http_app
from scaler.testing.http_client import Client, Kind, Shape
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.polling import eventually

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


def app_of_three(folder: Path) -> str:
    scale = {**QUICK, "minReplicas": 3, "rules": [rule(concurrentRequests="100")]}
    return http_app.manifest("app", environment=HttpService.log_of_requests(folder), scale=scale)


def test_few_fail_and_none_is_sent_twice(tmp_path: Path) -> None:
    """At most the requests that the replica was working on fail: one per client."""
    clients, kills = 4, 3
    service = HttpService(tmp_path, [app_of_three(tmp_path)])
    shape = Shape(max_body=10_000, max_seconds=0.2)
    kinds = {Kind.GET: 1.0, Kind.SLOW: 1.0, Kind.POST: 1.0}
    with service.running(), Client(service.target("app", kinds=kinds), seed=1, shape=shape) as client:
        service.wait_for_ready("app", 3)
        with client.steadily(clients):
            for _ in range(kills):
                (victim, *_) = service.processes("app")
                victim.kill()
                served = client.tally.requests.total()
                eventually(lambda n=served: client.tally.requests.total() > n + 100, what="answers of the others")
        assert client.tally.failure_count <= clients * kills, f"{client.tally}\n{service.log[-3000:]}"
        failed = client.tally.failure_count
        eventually(lambda: client.tally.failure_count == failed, what="peace")
        client.burst(clients, 1.0)
        assert client.tally.failure_count == failed, client.tally
    posts = [line for line in (tmp_path / "requests").read_text().splitlines() if " POST " in line]
    assert len(posts) == len({line.split()[-1] for line in posts})

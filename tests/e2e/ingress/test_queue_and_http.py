"""An app that scales by its requests and by a queue: the rule that wants most wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaler.testing import http_app
from scaler.testing.http_client import Client, Kind, Shape
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.polling import eventually
from scaler.testing.servers.redis import RedisServer

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


def test_the_rule_that_wants_most_wins(tmp_path: Path) -> None:
    with RedisServer.running() as server, server.client() as queue:
        list_rule = {
            "name": "jobs",
            "custom": {"type": "redis", "metadata": {"address": server.address, "listName": "j", "listLength": "1"}},
        }
        app = http_app.manifest("app", scale={**QUICK, "rules": [list_rule, rule(concurrentRequests="2")]})
        service = HttpService(tmp_path, [app])
        shape = Shape(max_seconds=0.5)
        with service.running(), Client(service.target("app", kinds={Kind.SLOW: 1.0}), seed=1, shape=shape) as client:
            service.wait_for_zero("app")
            queue.rpush("j", *range(4))
            service.wait_for_ready("app", 4)
            # One client is no reason for fewer than the queue wants, and an empty queue is none for fewer than many
            # clients want.
            with client.steadily(1, pause_s=0.1):
                eventually(lambda: client.tally.requests.total() > 10, what="answers")
                assert service.replicas("app") == 4
                queue.delete("j")
            service.wait_for_zero("app")
            with client.steadily(10):
                service.wait_for_ready("app", 5)
            service.wait_for_zero("app")
            assert client.tally.failure_count == 0, f"{client.tally}\n{service.log[-3000:]}"

"""Envoy is killed: another one runs within a second, and takes the same configuration."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from scaler.testing.http_client import Client, Kind, Shape
from scaler.testing.http_service import HttpService, quick_app
from scaler.testing.polling import accepts, eventually

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

# A slow machine gets more than the second that is promised.
PATIENCE_S = 10.0


def kill(envoy: psutil.Process | None) -> None:
    assert envoy is not None
    envoy.kill()
    eventually(lambda: not envoy.is_running() or envoy.status() == psutil.STATUS_ZOMBIE, what="its end")


def test_another_one_serves_soon_and_holds_again(tmp_path: Path) -> None:
    service = HttpService(tmp_path, [quick_app("app", tmp_path)])
    with service.running(), Client(service.target("app"), seed=1, shape=Shape(max_seconds=0.2)) as client:
        client.send(Kind.GET)
        for _ in range(3):
            kill(service.envoy())
            eventually(lambda: accepts("127.0.0.1", client.target.port), within_s=PATIENCE_S, what="connections")
            eventually(lambda: client.ask("GET", "/").status == 200, within_s=PATIENCE_S, what="an answer")
        client.burst(4, 1.0)
        service.wait_for_zero("app")
        client.send(Kind.GET)
        assert client.tally.failure_count == 0, f"{client.tally}\n{service.log[-3000:]}"
        assert client.tally.held >= 2


def test_it_is_told_what_was_lost(tmp_path: Path) -> None:
    """Connections through it end with it; only requests that were under way at that moment fail."""
    service = HttpService(tmp_path, [quick_app("app", tmp_path)])
    with service.running(), Client(service.target("app"), seed=2, shape=Shape(max_seconds=0.2)) as client:
        with client.steadily(4):
            service.wait_for_ready("app", 1)
            kill(service.envoy())
            eventually(lambda: client.tally.failure_count > 0, what="failures")
            eventually(lambda: accepts("127.0.0.1", client.target.port), within_s=PATIENCE_S, what="connections")
        lost = client.tally.failure_count
        client.burst(4, 1.0)
        assert client.tally.failure_count == lost, f"{client.tally}\n{service.log[-3000:]}"
        assert service.metric("scaler_proxy_lost_requests_total") >= lost
    assert len(service.events("envoy_died")) == 1


def test_held_requests_end_with_it_and_start_nothing_for_nobody(tmp_path: Path) -> None:
    """Whoever was held by the one that died is gone."""
    service = HttpService(tmp_path, [quick_app("app", tmp_path)])
    with service.running(), Client(service.target("app"), seed=3) as client:
        client.send(Kind.GET)
        service.wait_for_zero("app")
        kill(service.envoy())
        eventually(lambda: accepts("127.0.0.1", client.target.port), within_s=PATIENCE_S, what="connections")
        client.send(Kind.GET)
        service.wait_for_zero("app")

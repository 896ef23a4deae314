"""The Docker client before there is an engine."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from scaler.actuators.docker.client import EngineClient
from scaler.ports.errors import EngineUnavailable


async def test_settings_that_cannot_be_used_make_the_engine_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "nowhere"))
    with closing(EngineClient(None, threads=1, timeout_s=1)) as client, pytest.raises(EngineUnavailable):
        await client.call(lambda api: api.ping())

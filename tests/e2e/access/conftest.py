"""One engine for the tests of this folder, and no settings of docker but theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from scaler.testing.servers.docker_tls import TlsDockerServer


@pytest.fixture(scope="session")
def engine() -> Iterator[TlsDockerServer]:
    with TlsDockerServer.running(trustme.CA()) as server:
        yield server


@pytest.fixture(autouse=True)
def no_settings_of_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own contexts and logins take part."""
    for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "docker-config"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))

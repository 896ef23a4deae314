"""An engine with the images that the tests of this folder use."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from scaler.testing.servers.docker import DockerServer


@pytest.fixture(scope="session")
def docker_server() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        server.busybox_image("scaler-test-serve", "trap 'exit 0' TERM; while :; do sleep 0.05; done")
        server.busybox_image(
            "scaler-test-http",
            "trap 'exit 0' TERM; echo fine > /www/index.html; httpd -f -p 8080 -h /www & wait $!",
        )
        yield server


@pytest.fixture
def api(docker_server: DockerServer) -> Iterator[docker.APIClient]:
    with docker_server.client() as client:
        yield client

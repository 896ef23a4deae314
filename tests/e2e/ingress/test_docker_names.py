"""A container reaches another app by its name, at zero too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaler.testing import http_app
from scaler.testing.http_app import image
from scaler.testing.http_client import Client
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.polling import eventually
from scaler.testing.servers.docker import DockerServer

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

CALLER = "scaler-test-caller:1"
CALLEE = "scaler-test-callee:1"
# Until there is an answer: the container may be there before the proxy listens.
ASK_ONCE = (
    "trap 'exit 0' TERM; ask() { until wget -q -O - $1 2>/dev/null; do sleep 0.2; done; echo; };"
    " ask http://callee/; ask http://callee.$CONTAINER_APP_ENV_DNS_SUFFIX/; while :; do sleep 0.2; done"
)


@pytest.fixture
def engine() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        server.busybox_image(CALLER, "exit 1")
        image.load(server, CALLEE)
        yield server


def printed(engine: DockerServer, app: str) -> str:
    with engine.client() as client:
        containers = client.containers(filters={"ancestor": CALLER})
        return "".join(client.logs(each["Id"]).decode() for each in containers if f"/{app}--" in each["Names"][0])


def test_an_app_at_zero_is_woken_by_another_one_that_knows_its_name(tmp_path: Path, engine: DockerServer) -> None:
    callee = http_app.manifest(
        "callee", image=CALLEE, ingress={"external": False}, scale={**QUICK, "rules": [rule(concurrentRequests="10")]}
    )
    caller = json.loads(
        http_app.manifest("caller", image=CALLER, start=["sh", "-c", ASK_ONCE], scale={**QUICK, "minReplicas": 1})
    )
    # Nobody calls the caller.
    del caller["properties"]["configuration"]["ingress"]
    service = HttpService(
        tmp_path, [callee, json.dumps(caller)], actuator="docker", env={"DOCKER_HOST": engine.base_url}
    )
    with service.running():
        eventually(lambda: printed(engine, "caller").count('"replica"') == 2, within_s=60, what="all answers")
        for answer in filter(None, printed(engine, "caller").splitlines()):
            assert json.loads(answer)["replica"].startswith("callee--")
        assert service.api.workload("callee").ingress.urls == ["http://callee"]
        service.wait_for_zero("callee")
        with Client(service.target("callee"), seed=1) as client:
            assert client.ask("GET", "/").status == 404

"""A workload that follows its own use of the cpu, on real engines, with the service as its users run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scaler.observability.api_client import ApiClient
from scaler.testing.polling import eventually
from scaler.testing.servers.docker import DockerServer
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

IMAGE = "scaler-test-own-use:1"
PATIENCE_S = 60.0

# Burns what it can while the file is there.
WORKER = (
    "trap 'exit 0' TERM; "
    "while :; do if [ -e {busy} ]; then i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; else sleep 0.2; fi; done"
)

APP = """\
type: Microsoft.App/containerApps
name: worker
properties:
  template:
    terminationGracePeriodSeconds: 1
    containers:
      - name: main
        image: {image}
        command: [sh, -c]
        args: ["{worker}"]
        resources: {{cpu: 0.1, memory: 64Mi}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: worker}}
spec:
  scaleTargetRef: {{kind: ContainerApp, name: worker}}
  minReplicaCount: 1
  maxReplicaCount: 3
  pollingInterval: 1
  advanced: {{horizontalPodAutoscalerConfig: {{behavior: {{scaleDown: {{stabilizationWindowSeconds: 0}}}}}}}}
  triggers:
    - {{type: cpu, name: load, metricType: Utilization, metadata: {{value: "60"}}}}
    - {{type: memory, name: held, metricType: AverageValue, metadata: {{value: 1Gi}}}}
"""


def scales_up_and_down(
    service: ServiceProcess, api: ApiClient, *, begin: Callable[[], Any], end: Callable[[], Any], most: int
) -> None:
    """See one replica, more while they are busy, and one again."""

    def ready() -> int:
        return api.workloads()[0].ready_replicas

    def value(trigger: str) -> float | None:
        return next(each.value for each in api.workloads()[0].triggers if each.name == trigger)

    def idle() -> bool:
        seen = value("load")
        return seen is not None and seen < 60

    eventually(lambda: ready() == 1, within_s=PATIENCE_S, what="one replica, as there always is with cpu alone")
    eventually(idle, within_s=PATIENCE_S, what="an idle replica")
    begin()
    eventually(lambda: ready() == most, within_s=PATIENCE_S, what=f"{most} replicas")
    assert (value("held") or 0) > 10_000
    explained = service.command("explain", "worker").stdout
    assert " %, target 60 % (Utilization), active" in explained, explained
    assert "target 1073741824 (AverageValue), active" in explained, explained
    end()
    eventually(lambda: ready() == 1, within_s=PATIENCE_S, what="the minimum")


def test_busy_processes_become_more_and_idle_ones_fewer(tmp_path: Path) -> None:
    """Whoever burns what he can uses ten times his limit: the maximum."""
    flag = tmp_path / "busy"
    manifest = APP.format(image="none", worker=WORKER.format(busy=flag))
    service = ServiceProcess(tmp_path, manifest, actuator="process")
    with service.running() as api:
        scales_up_and_down(service, api, begin=flag.touch, end=flag.unlink, most=3)


@pytest.fixture
def engine() -> Iterator[DockerServer]:
    with DockerServer(private=True) as server:
        server.busybox_image(IMAGE, "exit 1")
        yield server


def test_a_busy_container_gets_help_and_an_idle_one_loses_it(tmp_path: Path, engine: DockerServer) -> None:
    """One container at its limit wants a second one, and no third; with that one idle they are at 50 % together.

    Neither count is the border to another one, as a limit is kept to a few percent only.
    """
    manifest = APP.format(image=IMAGE, worker=WORKER.format(busy="/busy"))
    service = ServiceProcess(tmp_path, manifest, actuator="docker", env={"DOCKER_HOST": engine.base_url})

    def in_the_oldest(*command: str) -> None:
        with engine.client() as client:
            oldest = min(client.containers(filters={"ancestor": IMAGE}), key=lambda row: int(row["Created"]))
            client.exec_start(client.exec_create(oldest["Id"], list(command))["Id"])

    with service.running() as api:
        scales_up_and_down(
            service,
            api,
            begin=lambda: in_the_oldest("touch", "/busy"),
            end=lambda: in_the_oldest("rm", "/busy"),
            most=2,
        )

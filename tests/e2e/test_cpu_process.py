"""A workload that follows its own use of the cpu, with real processes and the service as its users run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaler.testing.polling import eventually
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

# Each replica burns what it can while the file is there.
WORKER = "while :; do if [ -e {busy} ]; then i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; else sleep 0.2; fi; done"

APP = """\
type: Microsoft.App/containerApps
name: worker
properties:
  template:
    terminationGracePeriodSeconds: 1
    containers:
      - name: main
        image: none
        command: [sh, -c]
        args: ['{worker}']
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
    - {{type: cpu, name: load, metricType: Utilization, metadata: {{value: "50"}}}}
    - {{type: memory, name: held, metricType: AverageValue, metadata: {{value: 1Gi}}}}
"""


def test_busy_replicas_become_more_and_idle_ones_fewer(tmp_path: Path) -> None:
    """A tenth of a core is the limit, half of that the target: whoever burns what he can wants the maximum."""
    busy = tmp_path / "busy"
    service = ServiceProcess(tmp_path, APP.format(worker=WORKER.format(busy=busy)), actuator="process")
    with service.running() as api:

        def ready() -> int:
            return api.workloads()[0].ready_replicas

        def value(trigger: str) -> float | None:
            return next(each.value for each in api.workloads()[0].triggers if each.name == trigger)

        eventually(lambda: ready() == 1, what="one replica: with cpu and memory alone there is always one")
        eventually(lambda: (value("load") or 100) < 50, what="an idle replica")
        busy.touch()
        eventually(lambda: ready() == 3, what="the maximum")
        assert (value("held") or 0) > 100_000
        explained = service.command("explain", "worker").stdout
        assert "target 50 % (Utilization)" in explained
        busy.unlink()
        eventually(lambda: ready() == 1, what="the minimum")

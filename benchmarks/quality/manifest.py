"""The manifest that all policies are given, read as the product reads it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.quality.traces import Work
from scaler import manifests
from scaler.manifest.values import Outside
from scaler.model import Workload

MAX_REPLICAS = 50
# The documented defaults of KEDA's ScaledObject, spelled out.
KEDA_POLLING_S, KEDA_COOLDOWN_S = 30.0, 300.0
KEDA_FIELDS: Mapping[str, float] = {"pollingInterval": KEDA_POLLING_S, "cooldownPeriod": KEDA_COOLDOWN_S}


def workload(work: Work, fields: Mapping[str, float] | None = None) -> Workload:
    """Return an app with one rule for this work, and with these fields of `scale` spelled out."""
    if work.by_requests:
        trigger = {"type": "http", "metadata": {"concurrentRequests": str(work.target)}}
    elif not work.in_progress:
        metadata = {"address": "localhost:6379", "listName": "jobs", "listLength": str(work.target)}
        trigger = {"type": "redis", "metadata": metadata}
    else:
        metadata = {
            "host": "http://localhost:15672",
            "queueName": "jobs",
            "mode": "QueueLength",
            "value": str(work.target),
        }
        trigger = {"type": "rabbitmq", "metadata": metadata}
    scale = {"maxReplicas": MAX_REPLICAS, "rules": [{"name": "load", "custom": trigger}], **(fields or {})}
    app = {
        "name": "worker",
        "properties": {
            "configuration": {"ingress": {"external": True, "targetPort": 8080}} if work.by_requests else {},
            "template": {"containers": [{"name": "main", "image": "worker"}], "scale": {"minReplicas": 0, **scale}},
        },
    }
    with tempfile.TemporaryDirectory(prefix="scaler-bench-") as folder:
        path = Path(folder) / "app.yaml"
        path.write_text(json.dumps(app))
        (loaded,) = manifests.load_manifests([path], outside=Outside.OPTIONAL).workloads
    return loaded

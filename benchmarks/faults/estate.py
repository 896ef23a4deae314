"""The workloads: an app for each source, one on a schedule, one that answers requests, one whose jobs are counted."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.faults.secrets import SECRETS
from benchmarks.faults.sources import TARGET, Source
from scaler.testing import http_app

IMAGE = "scaler-faults-sleeper:1"
WEB_IMAGE = "scaler-faults-web:1"
# Waits for SIGTERM and nothing else.
SLEEPER = "trap 'exit 0' TERM\nsleep 1000000 &\nwait\n"
# As long holds a window, or a cooldown.
WINDOW_S = 6.0
INTERVAL_S = 0.5
MOST = 4
WEB, CRON, JOBS, SICK = "web", "cron", "jobs", "sick"
# Sources whose workload is an app with rules of its own; to those of the others a ScaledObject is given.
_PLAIN = ("list", "api")
_ZONE = ZoneInfo("Europe/Berlin")
# Windows of the schedule: of two minutes the even one, and hours in which clocks are changed.
_EVEN, _NIGHT = 2, 3

Documents = list[dict[str, Any]]


def plain(name: str) -> bool:
    """Whether a workload has no `behavior`: 300 s until it has fewer, and a cooldown until it has none."""
    return name in _PLAIN


def app(name: str, *, docker: bool, command: list[str] | None = None, image: str = IMAGE) -> dict[str, Any]:
    """Return an app whose replicas wait, unless told otherwise."""
    container: dict[str, Any] = {
        "name": "main", "image": image, "env": [{"name": "TOKEN", "secretRef": "token"}],
    }  # fmt: skip
    if command or not docker:
        container["command"] = command or ["/bin/busybox", "sh", "-c", SLEEPER]
    return {
        "type": "Microsoft.App/containerApps",
        "name": name,
        "properties": {
            "configuration": {"secrets": [{"name": "token", "value": SECRETS["app"]}]},
            "template": {"terminationGracePeriodSeconds": 5, "containers": [container], "scale": {}},
        },
    }


def of_source(source: Source, *, docker: bool) -> Documents:
    """Return the documents of a source's workload."""
    kind, metadata = source.trigger()
    made = app(source.name, docker=docker)
    if plain(source.name):
        _put_rule(made, kind, metadata, source.secrets)
        return [made]
    trigger: dict[str, Any] = {"type": kind, "metadata": dict(metadata)}
    documents: Documents = [made]
    if source.secrets:
        trigger["authenticationRef"] = {"name": source.name}
        references = [{"parameter": key, "name": source.name, "key": key} for key in source.secrets]
        documents += [
            _kubernetes("TriggerAuthentication", source.name, spec={"secretTargetRef": references}),
            {**_kubernetes("Secret", source.name, stringData=dict(source.secrets)), "apiVersion": "v1"},
        ]
    del made["properties"]["template"]["scale"]
    down = {"stabilizationWindowSeconds": int(WINDOW_S)}
    spec = {
        "scaleTargetRef": {"kind": "ContainerApp", "name": source.name},
        "minReplicaCount": 0,
        "maxReplicaCount": MOST,
        "pollingInterval": INTERVAL_S,
        "cooldownPeriod": WINDOW_S,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": down}}},
        "triggers": [trigger],
    }
    return [*documents, _kubernetes("ScaledObject", source.name, spec=spec)]


def on_schedule(*, docker: bool) -> Documents:
    """Return the workload with windows of time."""
    windows = (("even", "*/2 * * * *", "1-59/2 * * * *", _EVEN), ("night", "30 1 * * *", "30 3 * * *", _NIGHT))
    made = app(CRON, docker=docker)
    for name, start, end, replicas in windows:
        metadata = {"timezone": "Europe/Berlin", "start": start, "end": end, "desiredReplicas": str(replicas)}
        _put_rule(made, "cron", metadata, {}, name=name)
    made["properties"]["template"]["scale"]["cooldownPeriod"] = 0
    return [made]


def scheduled(wall_s: float) -> tuple[int, int]:
    """Return the least and the most that the schedule lets be at a moment.

    The night begins and ends outside the hour that is changed. What it wanted holds for 300 s, or until there is none.
    """
    moment = datetime.fromtimestamp(wall_s, UTC).astimezone(_ZONE)
    clock = timedelta(hours=moment.hour, minutes=moment.minute)
    night = timedelta(hours=1, minutes=30) <= clock < timedelta(hours=3, minutes=30)
    return (_NIGHT, _NIGHT) if night else (_EVEN, _NIGHT) if moment.minute % 2 == 0 else (0, 0)


def serving(folder: Path, *, docker: bool) -> Documents:
    """Return the app that answers requests."""
    rule = {"name": "requests", "custom": {"type": "http", "metadata": {"window": "6", "concurrentRequests": "2"}}}
    scale = {"minReplicas": 0, "maxReplicas": MOST, "pollingInterval": 0.2, "cooldownPeriod": 1, "rules": [rule]}
    log = None if docker else {"REQUEST_LOG": str(folder / "requests")}
    made = http_app.manifest(WEB, image=WEB_IMAGE if docker else None, environment=log, scale=scale, grace_s=10)
    return [json.loads(made)]


def working(redis: Source) -> Documents:
    """Return the app whose local processes work jobs off, one after the other."""
    kind, metadata = redis.trigger()
    worker = Path(__file__).with_name("worker.py")
    made = app(JOBS, docker=False, command=[sys.executable, "-I", "-S", str(worker)])
    made["properties"]["configuration"]["secrets"].append({"name": "redis", "value": SECRETS["redis"]})
    made["properties"]["template"]["terminationGracePeriodSeconds"] = 30
    made["properties"]["template"]["containers"][0]["env"] += [
        {"name": "REDIS", "value": metadata["address"]},
        {"name": "REDIS_USER", "value": "worker"},
        {"name": "REDIS_PASSWORD", "secretRef": "redis"},
    ]
    _put_rule(made, kind, {**metadata, "listName": "jobs"}, redis.secrets)
    made["properties"]["template"]["scale"]["cooldownPeriod"] = 2
    return [made]


def sick(command: list[str], *, docker: bool, image: str = IMAGE, replicas: int = 1) -> Documents:
    """Return an app that is to have so many replicas of something that is not well."""
    made = app(SICK, docker=docker, command=command or None, image=image)
    made["properties"]["template"]["terminationGracePeriodSeconds"] = 2
    made["properties"]["template"]["scale"] = {"minReplicas": replicas, "maxReplicas": replicas}
    return [made]


def _put_rule(
    made: dict[str, Any], kind: str, metadata: Mapping[str, str], secrets: Mapping[str, str], *, name: str = "jobs"
) -> None:
    held = made["properties"]["configuration"]["secrets"]
    held += [{"name": key.lower(), "value": value} for key, value in secrets.items()]
    auth = [{"secretRef": key.lower(), "triggerParameter": key} for key in secrets]
    scale = made["properties"]["template"]["scale"]
    scale |= {"minReplicas": 0, "maxReplicas": MOST, "pollingInterval": INTERVAL_S, "cooldownPeriod": WINDOW_S}
    scale.setdefault("rules", []).append(
        {"name": name, "custom": {"type": kind, "metadata": dict(metadata), **({"auth": auth} if auth else {})}}
    )


def _kubernetes(kind: str, name: str, **content: object) -> dict[str, Any]:
    return {"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": name}, **content}


assert TARGET > 2, "`items_for` takes two off"  # noqa: S101 - between two modules of one benchmark

"""Between a replica and its container: labels, settings for the engine, and what a listing says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from docker.types import Mount

from scaler.actuators.docker import volumes
from scaler.actuators.runtime import Blueprint, Unit, UnitState
from scaler.model import VolumeKind

OWNER = "io.scaler.owner"
WORKLOAD = "io.scaler.workload"
REVISION = "io.scaler.revision"
REPLICA = "io.scaler.replica"
CREATED = "io.scaler.created"
GRACE = "io.scaler.grace-seconds"
PORT = "io.scaler.port"

# Labels cannot be changed once a container exists; its name can, and the engine keeps it.
STOPPING_SUFFIX = ".stopping"

_STATES = {
    "created": UnitState.CREATED,
    "running": UnitState.RUNNING,
    "paused": UnitState.RUNNING,
    "restarting": UnitState.RUNNING,
    "exited": UnitState.ENDED,
    "dead": UnitState.ENDED,
}


@dataclass(frozen=True, slots=True)
class Run:
    """What an inspection tells of a container's latest run, beyond a listing."""

    running: bool
    started_at: float | None
    ended_at: float | None
    detail: str
    address: str | None = None


def labels(owner: str, plan: Blueprint) -> dict[str, str]:
    """Return the labels by which a replica is known again. No value of the environment is among them."""
    port = {} if plan.target_port is None else {PORT: str(plan.target_port)}
    return {
        **port,
        OWNER: owner,
        WORKLOAD: plan.workload,
        REVISION: plan.revision,
        REPLICA: plan.name,
        CREATED: f"{time.time():.6f}",
        GRACE: f"{plan.app.termination_grace_period_s:g}",
    }


def create_options(
    api: Any, owner: str, plan: Blueprint, network: str | None, names: Mapping[str, str]
) -> dict[str, Any]:
    """Return the arguments of the SDK's `create_container`; `names` are further host names and their addresses."""
    container = plan.container
    resources = container.resources
    limits: dict[str, Any] = {}
    if resources.cpu_cores is not None:
        limits["nano_cpus"] = round(resources.cpu_cores * 1e9)
    if resources.memory_bytes is not None:
        # The same value for both: memory that is swapped out is not what was asked for.
        limits["mem_limit"] = limits["memswap_limit"] = resources.memory_bytes
    return {
        "image": container.image,
        "name": plan.name,
        # As in Kubernetes: a command replaces the image's entry point and drops its default arguments.
        "entrypoint": list(container.command) or None,
        "command": list(container.args) or None,
        "environment": plan.environment_at(plan.target_port),
        "labels": labels(owner, plan),
        "host_config": api.create_host_config(
            **limits,
            mounts=[
                Mount(mount.path, None, type="volume", no_copy=True)
                for mount in volumes.mounts(plan.app, container, VolumeKind.EMPTY_DIR)
            ],
            network_mode=network,
            extra_hosts=dict(names) or None,
            # Restarts are ours: the engine's own policies know neither probes nor our back-off, and would bring
            # back what we stopped.
            restart_policy={"Name": "no"},
        ),
    }


def state_of(row: Mapping[str, Any]) -> UnitState | None:
    """Return the state in a row of a listing; None for one that is being removed."""
    return _STATES.get(row["State"])


def run_of(inspected: Mapping[str, Any]) -> Run:
    """Return what an inspection says."""
    state = inspected["State"]
    running = bool(state["Running"])
    ended_at = None if running else _timestamp(state["FinishedAt"])
    detail = ""
    if ended_at is not None:
        detail = "killed for lack of memory" if state.get("OOMKilled") else f"exit code {state['ExitCode']}"
        if state.get("Error"):
            detail += f": {state['Error']}"
    return Run(running, _timestamp(state["StartedAt"]), ended_at, detail, _address(inspected))


def row_of(inspected: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an inspection as the row of a listing that it would be."""
    return {
        "Id": inspected["Id"],
        "Names": [inspected["Name"]],
        "State": inspected["State"]["Status"],
        "Labels": inspected["Config"]["Labels"],
        "Created": _timestamp(inspected["Created"]) or 0.0,
        "NetworkSettings": inspected["NetworkSettings"],
    }


def unit_of(row: Mapping[str, Any], run: Run | None) -> Unit | None:
    """Return the unit that a row of a listing shows; None when it is on its way out, or not labelled as ours are."""
    state, marks = state_of(row), row["Labels"]
    if state is None or not {WORKLOAD, REVISION, REPLICA} <= marks.keys():
        return None
    if run and state is not UnitState.CREATED:
        # Inspected after it was listed: a listing that says otherwise is older.
        state = UnitState.RUNNING if run.running else UnitState.ENDED
    ended = run if run and state is UnitState.ENDED else None
    return Unit(
        id=row["Id"],
        name=marks[REPLICA],
        workload=marks[WORKLOAD],
        revision=marks[REVISION],
        state=state,
        created_at=_number(marks.get(CREATED), float(row["Created"])),
        grace_s=_number(marks.get(GRACE), 30.0),
        stopping=any(name.endswith(STOPPING_SUFFIX) for name in row["Names"]),
        started_at=run.started_at if run else None,
        ended_at=ended.ended_at if ended else None,
        address=run.address if run else _address(row),
        detail=ended.detail if ended else "",
        port=int(port) if (port := marks.get(PORT, "")).isdecimal() else None,
    )


def _address(row: Mapping[str, Any]) -> str | None:
    networks = (row.get("NetworkSettings") or {}).get("Networks") or {}
    return next((each["IPAddress"] for each in networks.values() if each.get("IPAddress")), None)


def _number(text: str | None, otherwise: float) -> float:
    try:
        return float(text or "")
    except ValueError:
        return otherwise


def _timestamp(text: str) -> float | None:
    """Return the seconds of the engine's RFC 3339 time with nanoseconds; year 1 means never."""
    if text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text).timestamp()

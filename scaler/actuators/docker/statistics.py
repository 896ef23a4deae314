"""What the engine's statistics of a container say that it uses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scaler.ports.actuator import Usage


def usage_of(container_id: str, stats: Mapping[str, Any]) -> Usage | None:
    """Return the use of cpu and memory; None for a container that does not run, of which the engine sends zeros.

    Memory is the working set, as `docker stats` and Kubernetes show it: without the pages of files that were not used
    lately and can be dropped. cgroup v1 calls them `total_inactive_file`, v2 `inactive_file`.
    """
    cpu_ns = (stats.get("cpu_stats", {}).get("cpu_usage") or {}).get("total_usage")
    memory = stats.get("memory_stats") or {}
    if not cpu_ns or "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    used = int(memory["usage"])
    droppable = int(details.get("total_inactive_file", details.get("inactive_file", 0)))
    return Usage(
        container_id,
        datetime.fromisoformat(stats["read"]).timestamp(),
        cpu_ns / 1e9,
        used - droppable if droppable < used else used,
    )

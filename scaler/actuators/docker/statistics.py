"""What the engine's statistics of a container say that it uses."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from docker.errors import NotFound

from scaler.actuators.docker.client import EngineClient, for_each
from scaler.ports.actuator import Usage

# Fewer than the client's threads, so that starts and stops need not wait for statistics.
COUNTED_AT_ONCE = 8
# The kernel's, where a quota is given without a period.
_DEFAULT_PERIOD_US = 100_000


class ContainerStatistics:
    """Asks the engine what containers use, a few at a time."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._counting = asyncio.Semaphore(COUNTED_AT_ONCE)

    async def usage(self, container_ids: Sequence[str]) -> list[Usage]:
        """Return the use of those that run.

        Raises:
            EngineUnavailable: The engine does not answer.
        """

        def count(api: Any, container_id: str) -> Usage | None:
            try:
                return usage_of(container_id, api.stats(container_id, stream=False, one_shot=True))
            except NotFound:
                return None

        async def one(container_id: str) -> Usage | None:
            async with self._counting:
                return await self._client.call(lambda api: count(api, container_id))

        return list((await for_each(container_ids, one, name="docker:stats")).values())


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


def limits_of(inspected: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of a container, as `Usage` has them, from its inspection."""
    settings = inspected["HostConfig"]
    cores = settings.get("NanoCpus", 0) / 1e9
    if not cores and settings.get("CpuQuota", 0) > 0:
        cores = settings["CpuQuota"] / (settings.get("CpuPeriod") or _DEFAULT_PERIOD_US)
    return {"cpu_limit": cores or None, "memory_limit": settings.get("Memory") or None}

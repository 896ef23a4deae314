"""Tells when somebody else, compose as a rule, is at work in a project, so that nothing is made or removed there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from scaler.actuators.compose.containers import ONE_OFF, ServiceName

# What nobody but somebody's command brings about, unlike an end or the start that a restart policy answers it with.
_COMMANDED = frozenset({"create", "rename", "kill", "destroy"})
# What was announced is done, and its event here, within this time; longer than the deadline of a call to the engine.
_ANNOUNCED_S = 120.0


class Occupation:
    """The projects in which somebody else made, renamed, stopped or removed containers lately.

    Compose lists what there is and acts on it a while later. It fails where a container of the list is gone by then,
    or the name of one that it makes is taken.

    Args:
        quiet_s: A project is occupied for so long after the last such step.
        freed: Called with a service of which `report_when_free` was asked.
    """

    def __init__(self, quiet_s: float, freed: Callable[[ServiceName], None]) -> None:
        self._quiet_s = quiet_s
        self._freed = freed
        self._until: dict[str, float] = {}
        # Names and ids that were announced, and until when that counts.
        self._own: dict[str, float] = {}
        self._reports: dict[ServiceName, asyncio.TimerHandle] = {}

    def holds(self, project: str) -> bool:
        """Return whether a project is occupied."""
        return self._until.get(project, 0.0) > asyncio.get_running_loop().time()

    def report_when_free(self, service: ServiceName) -> None:
        """Have a service of an occupied project reported as soon as that may be over."""
        if service not in self._reports:
            until = self._until.get(service.project, 0.0)
            self._reports[service] = asyncio.get_running_loop().call_at(until, self._report, service)

    def announce(self, name_or_id: str) -> None:
        """Note that a container of this name may be made here from now on, or the one with this id be removed.

        It counts once and for a while only: the call may fail, and its event be missed.
        """
        now = asyncio.get_running_loop().time()
        self._own = {key: until for key, until in self._own.items() if until > now}
        self._own[name_or_id] = now + _ANNOUNCED_S

    def withdraw(self, name_or_id: str) -> None:
        """Note that what was announced did not happen."""
        self._own.pop(name_or_id, None)

    def happened(
        self, project: str, container_id: str, action: str, attributes: Mapping[str, str], *, signalled: bool
    ) -> None:
        """Note an event of the engine; `signalled` where the container was told to end here.

        What was made here is removed here if it cannot be connected or started, and may be removed by anybody once it
        was started. What `docker compose run` makes is none of a service, and no list's.
        """
        now = asyncio.get_running_loop().time()
        if action == "start":
            self.withdraw(container_id)
        if action not in _COMMANDED:
            return
        key = attributes.get("name", "") if action == "create" else container_id
        announced = self._own.get(key, 0.0) > now
        if action in {"create", "destroy"}:
            self.withdraw(key)
        if announced and action == "create":
            self.announce(container_id)
        if not (signalled or announced) and attributes.get(ONE_OFF) != "True":
            self._until[project] = now + self._quiet_s

    def close(self) -> None:
        """Report nothing any more."""
        for report in self._reports.values():
            report.cancel()
        self._reports.clear()

    def _report(self, service: ServiceName) -> None:
        del self._reports[service]
        self._freed(service)

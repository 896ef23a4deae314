"""What exists of the services that are scaled, and what of it somebody else is changing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from signal import Signals
from typing import Any

import structlog

from scaler.actuators.compose.containers import PROJECT, ServiceContainer, ServiceName, container_of
from scaler.actuators.compose.engine import ServiceEngine
from scaler.actuators.compose.occupation import Occupation
from scaler.actuators.docker.client import EngineClient
from scaler.actuators.docker.containers import run_of
from scaler.actuators.docker.events import EventStream
from scaler.actuators.docker.foreign_signals import ForeignSignals
from scaler.actuators.snapshot import Snapshot

log = structlog.get_logger(__name__)

_ENDING = frozenset(str(int(each)) for each in (Signals.SIGINT, Signals.SIGQUIT, Signals.SIGKILL, Signals.SIGTERM))
_RETRY_S = 1.0
# So long does a listing wait at most for the first attempt to follow the engine's events.
_FOLLOWED_WITHIN_S = 10.0
# What happens within a container changes nothing about it; health checks cause three of these each time.
_INNER = ("exec_", "attach", "detach", "resize", "top", "copy", "export", "archive-path", "extract-to-dir")


class Picture:
    """One listing of all compose's containers; those of watched services are inspected, once for each change.

    Args:
        client: The engine, watched from the first `watch` on.
        occupation: Is told what somebody else does.
        reported: Called with a service whose containers changed.
        max_age_s: A listing older than this is read again although no event asked for it.
    """

    def __init__(
        self,
        client: EngineClient,
        engine: ServiceEngine,
        occupation: Occupation,
        reported: Callable[[ServiceName], None],
        *,
        max_age_s: float,
    ) -> None:
        self._client = client
        self._engine = engine
        self._occupation = occupation
        self._reported = reported
        self._snapshot: Snapshot[ServiceContainer] = Snapshot(self._read, self._absorb, max_age_s=max_age_s)
        self._events: EventStream | None = None
        self._followed = asyncio.Event()
        self._upkeep: asyncio.Task[None] | None = None
        self._watched: set[ServiceName] = set()
        self._rows: Sequence[Mapping[str, Any]] = ()
        self._inspected: dict[str, Mapping[str, Any]] = {}
        self._outdated: set[str] = set()
        self._signals: dict[str, ForeignSignals] = {}
        self._ran: set[str] = set()
        self._told_to_stop: set[str] = set()
        self._stopped_by_hand: set[str] = set()
        self._seen: dict[ServiceName, dict[str, Any]] = {}

    def watch(self, service: ServiceName) -> None:
        """Look at this service from now on."""
        self._open()
        if service not in self._watched:
            self._watched.add(service)
            self.stale()

    def unwatch(self, service: ServiceName) -> None:
        """Look at it no more."""
        self._watched.discard(service)
        self._seen.pop(service, None)

    async def close(self) -> None:
        """End the watching."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.wait([self._upkeep])
        await self._snapshot.settle()
        if self._events is not None:
            await self._events.close()

    async def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return the listing of the containers of all services.

        Raises:
            EngineUnavailable: The engine does not answer.
        """
        self._open()
        await self._snapshot.get()
        return self._rows

    async def containers(self, service: ServiceName) -> tuple[ServiceContainer, ...]:
        """Return a watched service's containers, oldest first.

        Raises:
            EngineUnavailable: The engine does not answer.
        """
        return (await self._snapshot.get()).get(str(service), ())

    def has_crashed(self, container: ServiceContainer) -> bool:
        """Whether it ended on its own since it was seen running or was started here.

        What is found ended when this service, the engine or the container's service comes up is just stopped: whether
        it crashed, was stopped or lost its machine cannot be told any more.
        """
        return container.stopped and container.id in self._ran

    def is_stopped_by_hand(self, container: ServiceContainer) -> bool:
        """Whether somebody else stopped it, and it did not run since."""
        return container.id in self._stopped_by_hand

    def is_held(self, containers: Sequence[ServiceContainer]) -> bool:
        """Whether somebody else stopped the last replicas of a service, and none runs since."""
        last = max(containers, key=lambda each: run_of(each.inspected).ended_at or 0.0)
        return all(each.stopped for each in containers) and self.is_stopped_by_hand(last)

    def is_disturbed(self, service: ServiceName) -> bool:
        """Whether somebody else stops containers of the service's project, as `docker compose` does on its way."""
        signals = self._signals.get(service.project)
        return signals is not None and signals.wait_s(asyncio.get_running_loop().time()) > 0

    def stopping(self, container: ServiceContainer) -> None:
        """Note that we are about to stop this container."""
        self._of_project(container.service.project).sent(container.id)
        self._told_to_stop.add(container.id)
        self._ran.discard(container.id)

    def started(self, container_id: str) -> None:
        """Note that we started this container: if it ends, it does so on its own."""
        self._stopped_by_hand.discard(container_id)
        self._told_to_stop.discard(container_id)
        self._ran.add(container_id)
        self.stale()

    def stale(self) -> None:
        """Look again: something changed, or may have."""
        self._snapshot.invalidate()

    def _open(self) -> None:
        if self._events is None:
            self._events = EventStream(self._client, PROJECT, self._happened)
            self._upkeep = asyncio.create_task(self._snapshot.follow(retry_s=_RETRY_S), name="compose:upkeep")

    def _of_project(self, project: str) -> ForeignSignals:
        return self._signals.setdefault(project, ForeignSignals())

    def _happened(self, container_id: str | None, action: str, attributes: Mapping[str, str]) -> None:
        if container_id is None:
            # Events may have been missed: what ended meanwhile did so for reasons unknown.
            self._followed.set()
            for signals in self._signals.values():
                signals.forget()
            self._ran.clear()
            self._stopped_by_hand.clear()
            self._outdated |= self._inspected.keys()
            self._inspected.clear()
        elif action.startswith(_INNER):
            return
        else:
            project = attributes.get(PROJECT, "")
            if action != "kill" or self._ends(container_id, attributes.get("signal", "")):
                signals = self._of_project(project)
                signalled = signals.expected(container_id)
                self._occupation.happened(project, container_id, action, attributes, signalled=signalled)
                if action == "die" and signals.pending(container_id):
                    self._stopped_by_hand.add(container_id)
                    self._ran.discard(container_id)
                signals.happened(container_id, action, asyncio.get_running_loop().time())
                if action == "start" and not signals.expected(container_id):
                    self._told_to_stop.discard(container_id)
            self._outdated.add(container_id)
            self._inspected.pop(container_id, None)
        self.stale()

    def _ends(self, container_id: str, number: str) -> bool:
        """Whether a signal is meant to end a container: one that just tells it something, such as HUP, is not."""
        config = self._inspected.get(container_id, {}).get("Config", {})
        return number in _ENDING or number == _number(config.get("StopSignal") or "")

    async def _read(self) -> Sequence[ServiceContainer]:
        # Whatever is done follows from a listing, and would be missed, or forgotten, were events not followed by then.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FOLLOWED_WITHIN_S):
                await self._followed.wait()
        self._outdated.clear()
        remembered = self._ran | self._told_to_stop | self._stopped_by_hand
        rows = self._rows = await self._engine.rows()
        # Not those that were added meanwhile: a container that was just made is in the next listing.
        gone = remembered - {row["Id"] for row in rows}
        for ids in (self._ran, self._told_to_stop, self._stopped_by_hand):
            ids.difference_update(gone)
        wanted = {row["Id"]: row["State"] for row in rows if ServiceName.of_labels(row["Labels"]) in self._watched}
        self._inspected = {
            key: known
            for key, known in self._inspected.items()
            if key in wanted and known["State"]["Status"] == wanted[key]
        }
        found = await self._engine.inspect([key for key in wanted if key not in self._inspected])
        # An event that came meanwhile may make an inspection old: the listing that it causes asks again.
        self._inspected |= {key: each for key, each in found.items() if key not in self._outdated}
        known = self._inspected | found
        return [container_of(known[key]) for key in wanted if key in known]

    def _absorb(self, containers: Sequence[ServiceContainer]) -> None:
        seen: dict[ServiceName, dict[str, Any]] = {}
        # What has happened since a container was inspected is known from its events.
        better_known = self._told_to_stop | self._outdated
        for each in containers:
            seen.setdefault(each.service, {})[each.id] = (each.state, each.health, each.started_at)
            if not each.stopped and each.id not in better_known:
                self._ran.add(each.id)
                self._stopped_by_hand.discard(each.id)
        for service in self._seen.keys() | seen.keys():
            if self._seen.get(service) != seen.get(service):
                self._reported(service)
        self._seen = seen


def _number(signal: str) -> str:
    """Return the number of a signal that is named as images and compose do: `SIGINT`, `INT` or `2`."""
    try:
        return signal if signal.isdecimal() else str(int(Signals["SIG" + signal.upper().removeprefix("SIG")]))
    except KeyError:
        return ""

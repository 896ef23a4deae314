"""The actuator for services that `docker compose up` started on one Docker engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import ClassVar

import structlog

from scaler.actuators.changed_names import ChangedNames
from scaler.actuators.compose.containers import ServiceContainer, ServiceName, newest
from scaler.actuators.compose.engine import ServiceEngine
from scaler.actuators.compose.labels import Labelled, Labels
from scaler.actuators.compose.occupation import Occupation
from scaler.actuators.compose.picture import Picture
from scaler.actuators.compose.planning import Standing, plan
from scaler.actuators.compose.replication import copy_of, free_numbers, is_whole, why_single
from scaler.actuators.docker.client import EngineClient
from scaler.actuators.docker.statistics import ContainerStatistics, limits_of
from scaler.actuators.operations import Operations, outcome
from scaler.model import COMPOSE_SERVICE, Replica, ReplicaState, Workload
from scaler.ports.actuator import Actuator, Applied, Usage
from scaler.ports.errors import ActuatorError, ReplicaRejected, TargetUnavailable

log = structlog.get_logger(__name__)

# On closing, stops under way get so long: the engine has then been told, and most are over.
_LAST_STOPS_S = 1.0
_STATES = {"running": ReplicaState.READY, "paused": ReplicaState.NOT_READY, "restarting": ReplicaState.CRASHED}
_HEALTH = {"starting": ReplicaState.STARTING, "unhealthy": ReplicaState.NOT_READY}


class ComposeActuator(Actuator):
    """Scales services where they are, by the engine itself: compose lists, updates and removes what it finds.

    Nothing is owned: a service is known by compose's labels, and stays when its workload goes. The engine is asked
    for the first time when a workload needs it.

    Args:
        base_url: The engine's address; None takes `DOCKER_HOST` and its companions, as the docker command does.
        threads: How many calls to the engine may be under way.
        timeout_s: Deadline of one call to the engine.
        listing_max_age_s: A listing older than this is read again although no event asked for it.
        settle_s: A container that was made, but not started, is left so long to those who made it: compose makes all
            containers before it starts the first.
        quiet_s: None is made or removed in a project, nor started that somebody else stopped, for so long after
            somebody else made, renamed, stopped or removed one there: longer than compose takes from its list of what
            there is to its last step, and a deployment from one command to the next.
    """

    kind: ClassVar[str] = "compose"

    def __init__(
        self,
        *,
        base_url: str | None = None,
        threads: int = 16,
        timeout_s: float = 60.0,
        listing_max_age_s: float = 1.0,
        settle_s: float = 30.0,
        quiet_s: float = 10.0,
    ) -> None:
        self._client = EngineClient(base_url, threads=threads, timeout_s=timeout_s)
        self._engine = ServiceEngine(self._client)
        self._statistics = ContainerStatistics(self._client)
        self._occupation = Occupation(quiet_s, self._report)
        self._picture = Picture(self._client, self._engine, self._occupation, self._report, max_age_s=listing_max_age_s)
        self._labels = Labels(self._picture, self._engine)
        self._settle_s = settle_s
        self._made: set[str] = set()
        self._operations = Operations(self._picture.stale)
        self._workloads: dict[ServiceName, str] = {}
        self._stops: dict[str, asyncio.Task[None]] = {}
        self._changed = ChangedNames()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._operations.settle()
        if stops := list(self._stops.values()):
            _, lasting = await asyncio.wait(stops, timeout=_LAST_STOPS_S)
            for task in lasting:
                task.cancel()  # the engine ends them; what remains to be removed is found by the next run
            await asyncio.wait(stops)
        self._occupation.close()
        await self._picture.close()
        self._client.close()

    async def observe(self, workload: Workload) -> tuple[Replica, ...]:
        """See `Actuator.observe`."""
        containers = await self._picture.containers(self._watch(workload))
        return tuple(
            Replica(
                id=each.id,
                name=each.name,
                workload=workload.name,
                revision=each.config_hash[:10],
                state=state,
                started_at=each.started_at,
                restarts=each.restarts,
                detail=each.remark,
            )
            for each in containers
            if (state := self._state(each)) is not None
        )

    async def usage(self, workload: Workload) -> tuple[Usage, ...]:
        """See `Actuator.usage`."""
        containers = await self._picture.containers(self._watch(workload))
        limits = {each.id: limits_of(each.inspected) for each in containers if not each.stopped}
        counts = await self._statistics.usage(list(limits))
        return tuple(replace(count, **limits[count.id]) for count in counts)

    async def owned(self) -> Mapping[str, tuple[Replica, ...]]:
        """Return nothing: what compose made is compose's."""
        return {}

    async def remove(self, workload_name: str) -> None:
        """Leave the service as it is, and look at it no more."""
        for service in [each for each, name in self._workloads.items() if name == workload_name]:
            del self._workloads[service]
            self._picture.unwatch(service)

    def changes(self) -> AsyncIterator[str]:
        """See `Actuator.changes`."""
        return self._changed.follow()

    async def apply(self, workload: Workload, count: int) -> Applied:
        """See `Actuator.apply`.

        Raises:
            TargetUnavailable: The service has no container, or somebody stopped it.
        """
        service = self._watch(workload)
        await self._operations.settled(str(service))
        containers = await self._picture.containers(service)
        if not containers:
            raise TargetUnavailable(f"the compose service {service} has no container; `docker compose up` makes it")
        if any(map(self._is_coming, containers)):
            raise TargetUnavailable(f"compose is making containers of {service}; it is scaled when they were started")
        if self._picture.is_disturbed(service):
            raise TargetUnavailable(
                f"containers of the compose project {service.project} are being stopped by somebody else;"
                f" {service.service} is scaled again when that is over"
            )
        if self._picture.is_held(containers):
            if count == 0:
                return Applied()
            raise TargetUnavailable(
                f"the compose service {service} was stopped by hand; `docker compose start` or `up` lets it scale again"
            )
        return await self._apply(service, containers, count)

    async def _apply(self, service: ServiceName, containers: tuple[ServiceContainer, ...], count: int) -> Applied:
        definition = newest(containers)
        single = why_single(definition)
        standings = [Standing(each, self._state(each)) for each in containers if is_whole(each, definition)]
        steps = plan(standings, definition, min(count, 1) if single else count)
        halves = [each for each in containers if not is_whole(each, definition)]
        if single and steps.create:
            raise TargetUnavailable(f"the only container of the compose service {service} is still stopping")
        key = str(service)
        stops = [self._stop(each, remove=True) for each in steps.stop]
        if steps.park is not None:
            stops.append(self._stop(steps.park, remove=False))
        occupied = self._occupation.holds(service.project)
        create = 0 if occupied else steps.create
        # What somebody else stopped may be about to be removed, which fails where it runs.
        start = [each for each in steps.start if not (occupied and self._picture.is_stopped_by_hand(each))]
        image = await self._engine.image(definition) if create else ""
        numbers = free_numbers(containers)
        runs = any(each.state == "running" for each in containers)
        starts = [
            self._operations.begin(key, self._start(each, replaceable=runs or place > 0))
            for place, each in enumerate(start)
        ]
        starts += [self._operations.begin(key, self._create(definition, numbers, image)) for _ in range(create)]
        useless = [*steps.remove, *halves]
        removals = []
        if not occupied:
            removals = [self._operations.begin(key, self._remove(each)) for each in useless]
        elif useless:
            self._occupation.report_when_free(service)
        if starts or removals:
            await asyncio.wait([*starts, *removals])
        applied = outcome(removals, starts)
        if single and count > 1:
            raise ReplicaRejected(f"the compose service {service} can have one replica only: {single}")
        left = create < steps.create or len(start) < len(steps.start)
        if left and not (starts or stops):  # else this is called again, since containers changed
            raise TargetUnavailable(
                f"somebody else is at work in the compose project {service.project};"
                f" containers of {service.service} are made, or started again, when that is over"
            )
        return Applied(applied.started, tuple(stops), applied.failed)

    async def labelled(self, prefix: str) -> Mapping[ServiceName, Labelled]:
        """Return the services whose newest container has a label that begins so.

        Raises:
            EngineUnavailable: The engine does not answer.
        """
        return await self._labels.read(prefix)

    # Steps. A stop lasts as long as the container takes; all others are short.

    def _stop(self, container: ServiceContainer, *, remove: bool) -> str:
        self._picture.stopping(container)
        task = asyncio.create_task(self._end(container, remove=remove), name=f"compose:stop:{container.name}")
        self._stops[container.id] = task

        def ended(_: asyncio.Task[None]) -> None:
            del self._stops[container.id]
            self._picture.stale()
            # It is stopping no more, which no listing shows: the container may have been seen to end before.
            self._report(container.service)

        task.add_done_callback(ended)
        return container.name

    async def _end(self, container: ServiceContainer, *, remove: bool) -> None:
        try:
            await self._engine.stop(container.id)
            if not remove:
                return
            if self._occupation.holds(container.service.project):
                self._occupation.report_when_free(container.service)
            else:
                await self._remove(container)
        except ActuatorError as error:
            log.debug("replica_not_stopped", replica=container.name, error=str(error))  # the next step does it again
        except Exception:
            # Nobody waits for it.
            log.exception("replica_operation_failed", replica=container.name)

    async def _remove(self, container: ServiceContainer) -> str:
        self._occupation.announce(container.id)
        await self._engine.remove(container.id)
        return container.name

    async def _start(self, container: ServiceContainer, *, replaceable: bool) -> str:
        if replaceable:
            self._occupation.announce(container.id)
        await self._engine.start(container.id, container.name, replaceable=replaceable)
        self._picture.started(container.id)
        return container.name

    async def _create(self, definition: ServiceContainer, numbers: Iterator[int], image: str) -> str:
        while True:
            copy = copy_of(definition, next(numbers), image)
            self._occupation.announce(copy.name)
            container_id = await self._engine.create(copy)
            if container_id is not None:
                break
            self._occupation.withdraw(copy.name)
        self._made.add(container_id)
        try:
            await self._engine.start(container_id, copy.name)
        except ReplicaRejected:
            await self._engine.remove(container_id)
            self._made.discard(container_id)
            raise
        self._made.discard(container_id)
        self._picture.started(container_id)
        return copy.name

    # What exists.

    def _watch(self, workload: Workload) -> ServiceName:
        service = ServiceName.of_target(workload.target)
        if service is None:
            raise ReplicaRejected(f"{workload.name}: this actuator scales targets of the kind {COMPOSE_SERVICE} only")
        self._workloads[service] = workload.name
        self._picture.watch(service)
        return service

    def _is_coming(self, container: ServiceContainer) -> bool:
        """Whether somebody else made it and may be about to start it."""
        young = time.time() - container.created_at < self._settle_s
        return young and container.state == "created" and container.id not in self._made

    def _report(self, service: ServiceName) -> None:
        name = self._workloads.get(service)
        if name is not None:
            self._changed.add(name)

    def _state(self, container: ServiceContainer) -> ReplicaState | None:
        """Return the state of the replica that a container is; None when it is none."""
        if container.id in self._stops:
            return ReplicaState.STOPPING
        if container.stopped:
            return ReplicaState.CRASHED if self._picture.has_crashed(container) else None
        if container.state == "running":
            return _HEALTH.get(container.health, ReplicaState.READY)
        return _STATES.get(container.state)

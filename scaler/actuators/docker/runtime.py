"""A Docker engine as a runtime for replicas."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from signal import Signals
from typing import Any, TypeVar

import requests
from docker.errors import APIError, ImageNotFound, NotFound

from scaler.actuators.docker import containers, volumes
from scaler.actuators.docker.client import EngineClient, for_each
from scaler.actuators.docker.events import EventStream
from scaler.actuators.docker.failures import translated
from scaler.actuators.docker.foreign_signals import ForeignSignals
from scaler.actuators.docker.images import Images
from scaler.actuators.docker.statistics import ContainerStatistics
from scaler.actuators.docker.stuck import given_up
from scaler.actuators.runtime import Blueprint, Runtime, Unit, UnitState
from scaler.model import App
from scaler.ports.actuator import Usage
from scaler.ports.errors import ReplicaRejected

T = TypeVar("T")


class DockerRuntime(Runtime):
    """Containers of one owner. One listing serves all; a container is inspected once for each of its runs."""

    def __init__(
        self,
        owner: str,
        client: EngineClient,
        network: str | None,
        names: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._owner = owner
        self._label = f"{containers.OWNER}={owner}"
        self._client = client
        self._network = network
        self._names = names
        self._images = Images(client)
        self._events: EventStream | None = None
        self._changed: Callable[[], None] = lambda: None
        self._ended: Callable[[str], None] = lambda _: None
        self._runs: dict[str, containers.Run] = {}
        self._outdated: set[str] = set()
        self._foreign_signals = ForeignSignals()
        # Created here and not started yet: no shutdown has signalled these, so they need not wait for its end.
        self._new: set[str] = set()
        # Images that were there when they were last needed.
        self._present: set[str] = set()
        self._statistics = ContainerStatistics(client)

    async def open(self, changed: Callable[[], None], ended: Callable[[str], None]) -> None:
        """See `Runtime.open`."""
        self._changed, self._ended = changed, ended
        self._events = EventStream(self._client, self._label, self._happened)

    async def close(self) -> None:
        """See `Runtime.close`."""
        await self._images.close()
        if self._events is not None:
            await self._events.close()
        self._client.close()

    def _happened(self, container_id: str | None, action: str, attributes: Mapping[str, str]) -> None:
        del attributes
        if container_id is None:
            self._foreign_signals.forget()
            self._outdated |= self._runs.keys()
            self._runs.clear()
        else:
            self._foreign_signals.happened(container_id, action, asyncio.get_running_loop().time())
            self._outdated.add(container_id)
            self._runs.pop(container_id, None)
            if action == "die":
                self._ended(container_id)
        self._changed()

    async def units(self) -> Sequence[Unit]:
        """See `Runtime.units`."""
        self._outdated.clear()
        rows = await self._client.call(lambda api: api.containers(all=True, filters={"label": self._label}))
        unknown = [row["Id"] for row in rows if not self._known(row)]
        found = await self._inspected(unknown)
        # An event that came meanwhile may make an inspection old: the listing that it causes asks again.
        kept = {key: run for key, run in found.items() if key not in self._outdated}
        present = {row["Id"] for row in rows}
        self._runs = {key: run for key, run in self._runs.items() if key in present} | kept
        runs = self._runs | found
        units = (containers.unit_of(row, runs.get(row["Id"])) for row in rows)
        return [unit for unit in units if unit is not None]

    def _known(self, row: Mapping[str, Any]) -> bool:
        state = containers.state_of(row)
        if state in {None, UnitState.CREATED}:
            return True
        run = self._runs.get(row["Id"])
        return run is not None and run.running == (state is UnitState.RUNNING)

    async def _inspected(self, ids: Sequence[str]) -> dict[str, containers.Run]:
        def inspect(api: Any, container_id: str) -> containers.Run | None:
            try:
                return containers.run_of(api.inspect_container(container_id))
            except NotFound:
                return None

        async def one(container_id: str) -> containers.Run | None:
            return await self._client.call(lambda api: inspect(api, container_id))

        return await for_each(ids, one, name="docker:inspect")

    async def usage(self, unit_ids: Sequence[str]) -> Sequence[Usage]:
        """See `Runtime.usage`."""
        return await self._statistics.usage(unit_ids)

    async def prepare(self, app: App) -> None:
        """See `Runtime.prepare`."""
        volumes.check(app)
        for container in app.containers:
            if container.image not in self._present:
                await self._images.ensure(container.image, app.registries)
                self._present.add(container.image)

    async def create(self, plan: Blueprint) -> str:
        """See `Runtime.create`."""
        unit_id = await self._making(plan, self._creation(plan))
        self._new.add(unit_id)
        return unit_id

    async def start(self, unit_id: str, plan: Blueprint) -> Unit | None:
        """See `Runtime.start`."""
        if unit_id not in self._new:
            await self._foreign_signals.quiet()
        start = self._beginning(plan)
        with _naming(plan):
            unit = await self._client.call(lambda api: start(api, unit_id))
        self._new.discard(unit_id)
        return unit

    async def launch(self, plan: Blueprint) -> Unit | None:
        """See `Runtime.launch`: all in one go, as nothing has to be looked at between."""
        create, start = self._creation(plan), self._beginning(plan)

        def launch(api: Any) -> Unit | None:
            unit_id = create(api)
            try:
                with translated():
                    return start(api, unit_id)
            except ReplicaRejected:
                with _unless_over():
                    api.remove_container(unit_id, v=True, force=True)
                raise

        return await self._making(plan, launch)

    async def _making(self, plan: Blueprint, make: Callable[[Any], T]) -> T:
        """Make something of the app's image; one that was there and is gone is pulled again."""
        with _naming(plan):
            try:
                return await self._client.call(make)
            except ReplicaRejected as error:
                if not isinstance(error.__cause__, ImageNotFound):
                    raise
        self._present.discard(plan.container.image)
        await self.prepare(plan.app)
        with _naming(plan):
            return await self._client.call(make)

    def _creation(self, plan: Blueprint) -> Callable[[Any], str]:
        names = self._names()

        def create(api: Any) -> str:
            options = containers.create_options(api, self._owner, plan, self._network, names)
            return str(api.create_container(**options)["Id"])

        return create

    def _beginning(self, plan: Blueprint) -> Callable[[Any, str], Unit | None]:
        files = volumes.archive(plan)

        def start(api: Any, unit_id: str) -> Unit | None:
            try:
                if files is not None:
                    api.put_archive(unit_id, "/", files)
                with given_up(api, unit_id):
                    api.start(unit_id)
                inspected = api.inspect_container(unit_id)
            except NotFound:
                return None
            return containers.unit_of(containers.row_of(inspected), containers.run_of(inspected))

        return start

    async def mark_stopping(self, unit_id: str) -> None:
        """See `Runtime.mark_stopping`."""

        def rename(api: Any) -> None:
            with contextlib.suppress(NotFound):
                name = api.inspect_container(unit_id)["Name"].removeprefix("/")
                if not name.endswith(containers.STOPPING_SUFFIX):
                    api.rename(unit_id, name + containers.STOPPING_SUFFIX)

        await self._client.call(rename)

    async def signal(self, unit_id: str, signal: Signals) -> None:
        """See `Runtime.signal`."""
        self._foreign_signals.sent(unit_id)

        def kill(api: Any) -> None:
            with _unless_over():
                api.kill(unit_id, signal.name)

        await self._client.call(kill)

    async def remove(self, unit_id: str) -> None:
        """See `Runtime.remove`."""

        def remove(api: Any) -> None:
            with _unless_over():
                api.remove_container(unit_id, v=True, force=True)

        await self._client.call(remove)
        self._new.discard(unit_id)


@contextlib.contextmanager
def _naming(plan: Blueprint) -> Iterator[None]:
    try:
        yield
    except ReplicaRejected as error:
        raise ReplicaRejected(f"{plan.workload}: image {plan.container.image}: {error}", told=error.told) from error


@contextlib.contextmanager
def _unless_over() -> Iterator[None]:
    """Pass over a container that is gone (404), does not run, or is being removed already (409)."""
    try:
        yield
    except APIError as error:
        if error.status_code not in {requests.codes.not_found, requests.codes.conflict}:
            raise

"""This machine's processes as a runtime for replicas."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL, Signals
from typing import TypeVar

from scaler.actuators.process import ports, processes
from scaler.actuators.process.consumption import Consumption
from scaler.actuators.process.records import Record, Records
from scaler.actuators.runtime import LOCALHOST, Blueprint, Runtime, Unit, UnitState
from scaler.actuators.threads import run_to_end
from scaler.model import App
from scaler.ports.actuator import Usage
from scaler.ports.errors import EngineUnavailable, ReplicaRejected
from scaler.processes import on_end

T = TypeVar("T")

# A run that was shorter may have ended because it could not listen at its port.
_LASTING_S = 5.0


class ProcessRuntime(Runtime):
    """Processes of one owner, by their records in the state dir.

    Everything that touches records runs in one thread, one call after the other: it takes milliseconds, and needs
    no locks. Ends are seen at once through pidfds, which work for processes that are not our children, too.
    """

    def __init__(self, owner: str, state_dir: Path) -> None:
        self._owner = owner
        self._records = Records(state_dir, owner)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="processes")
        self._changed: Callable[[], None] = lambda: None
        self._over: Callable[[str], None] = lambda _: None
        self._watched: dict[int, Callable[[], None]] = {}
        self._consumption = Consumption()
        self._ends: dict[str, tuple[str, float, str]] = {}

    async def open(self, changed: Callable[[], None], ended: Callable[[str], None]) -> None:
        """See `Runtime.open`."""
        self._changed, self._over = changed, ended

    async def close(self) -> None:
        """See `Runtime.close`."""
        for pid in tuple(self._watched):
            self._unwatch(pid)
        self._thread.shutdown()

    async def units(self) -> Sequence[Unit]:
        """See `Runtime.units`."""
        listed = await self._call(self._list)
        running = {pid: unit.id for pid, unit in listed if pid is not None and unit.state is UnitState.RUNNING}
        for gone in self._watched.keys() - running.keys():
            self._unwatch(gone)
        for pid, unit_id in running.items():
            self._watch(pid, unit_id)
        return [unit for _, unit in listed]

    async def usage(self, unit_ids: Sequence[str]) -> Sequence[Usage]:
        """See `Runtime.usage`."""

        def count() -> list[Usage]:
            self._consumption.refresh()
            return [found for unit_id in unit_ids if (found := self._usage(unit_id))]

        return await self._call(count)

    async def prepare(self, app: App) -> None:
        """See `Runtime.prepare`."""
        for container in app.containers:
            if not container.command:
                raise ReplicaRejected(
                    f"container {container.name}: a local process has no image that brings a command: write `command`"
                )
            if container.volume_mounts:
                raise ReplicaRejected(
                    f"container {container.name}: local processes cannot mount volumes; use the docker actuator"
                )

    async def create(self, plan: Blueprint) -> str:
        """See `Runtime.create`."""
        return (await self._call(lambda: self._create(plan))).id

    async def launch(self, plan: Blueprint) -> Unit | None:
        """See `Runtime.launch`: all in one go, as nothing has to be looked at between."""

        def launch() -> tuple[int | None, Unit]:
            record = self._create(plan)
            try:
                return self._spawn(record, plan)
            except ReplicaRejected:
                self._records.remove(record)
                raise

        pid, unit = await self._call(launch)
        return self._watched_from_now(pid, unit)

    def _create(self, plan: Blueprint) -> Record:
        record = Record(
            id=secrets.token_hex(8),
            owner=self._owner,
            name=plan.name,
            workload=plan.workload,
            revision=plan.revision,
            created_at=time.time(),
            grace_s=plan.app.termination_grace_period_s,
            port=None if plan.target_port is None else ports.choose(self._records.ports()),
        )
        self._records.put(record)
        return record

    async def start(self, unit_id: str, plan: Blueprint) -> Unit | None:
        """See `Runtime.start`."""
        pid, unit = await self._call(lambda: self._start(unit_id, plan))
        return self._watched_from_now(pid, unit)

    def _watched_from_now(self, pid: int | None, unit: Unit | None) -> Unit | None:
        if pid is not None and unit is not None:
            self._watch(pid, unit.id)
        return unit

    async def mark_stopping(self, unit_id: str) -> None:
        """See `Runtime.mark_stopping`."""

        def mark() -> None:
            if record := self._records.get(unit_id):
                self._records.put(replace(record, stopping=True))

        await self._call(mark)

    async def signal(self, unit_id: str, signal: Signals) -> None:
        """See `Runtime.signal`."""

        def send() -> None:
            record = self._records.get(unit_id)
            if record and record.pid and processes.identity(record.pid) == record.identity:
                processes.send(record.pid, signal)

        await self._call(send)

    async def remove(self, unit_id: str) -> None:
        """See `Runtime.remove`."""

        def remove() -> None:
            if record := self._records.get(unit_id):
                if record.pid and processes.identity(record.pid) == record.identity:
                    processes.send(record.pid, SIGKILL)
                self._records.remove(record)

        await self._call(remove)

    async def _call(self, function: Callable[[], T]) -> T:
        """Run in the thread; see `run_to_end` for what a cancellation does."""

        def work() -> T:
            try:
                return function()
            except OSError as error:
                raise EngineUnavailable(f"the state dir cannot be used: {error}") from error

        return await run_to_end(self._thread, work)

    def _watch(self, pid: int, unit_id: str) -> None:
        if pid in self._watched:
            return

        def ended() -> None:
            self._unwatch(pid)
            self._over(unit_id)
            self._changed()

        try:
            self._watched[pid] = on_end(pid, ended)
        except ProcessLookupError:
            self._changed()

    def _unwatch(self, pid: int) -> None:
        self._watched.pop(pid)()

    # In the thread

    def _usage(self, unit_id: str) -> Usage | None:
        record = self._records.get(unit_id)
        if record is None or record.pid is None or processes.identity(record.pid) != record.identity:
            return None
        counted = self._consumption.of_tree(record.pid)
        return Usage(unit_id, self._consumption.at_s, *counted) if counted else None

    def _start(self, unit_id: str, plan: Blueprint) -> tuple[int | None, Unit | None]:
        record = self._records.get(unit_id)
        if record is None:
            return None, None
        if record.pid is not None and processes.identity(record.pid) == record.identity:
            return self._unit(record)
        # Without a pid first: were we killed right after the spawn, the process is found by its mark.
        record = replace(record, pid=None, identity="", port=self._port(record))
        self._records.put(record)
        return self._spawn(record, plan)

    def _spawn(self, record: Record, plan: Blueprint) -> tuple[int | None, Unit]:
        argv = (*plan.container.command, *plan.container.args)
        environment = plan.environment_at(record.port)
        pid = processes.spawn(record.id, argv, environment, self._records.folder(record.id))
        return self._unit(self._adopt(record, pid))

    def _port(self, record: Record) -> int | None:
        """Return where the next run is to listen: where the last one did, unless that may have been why it ended."""
        if record.port is None:
            return None
        _, ended_at, _ = self._ends.get(record.id, ("", time.time(), ""))
        lasted_s = 0.0 if record.started_at is None else ended_at - record.started_at
        if ports.free(record.port, reuse=lasted_s >= _LASTING_S):
            return record.port
        return ports.choose(self._records.ports())

    def _adopt(self, record: Record, pid: int) -> Record:
        record = replace(record, pid=pid, identity=processes.identity(pid) or "ended", started_at=time.time())
        self._records.put(record)
        return record

    def _list(self) -> list[tuple[int | None, Unit]]:
        records = list(self._records.all())
        self._ends = {record.id: self._ends[record.id] for record in records if record.id in self._ends}
        return [self._unit(record) for record in records]

    def _unit(self, record: Record) -> tuple[int | None, Unit]:
        if record.pid is None and (pid := processes.leader(record.id, self._records.folder(record.id))):
            record = self._adopt(record, pid)
        state, ended_at, detail = UnitState.CREATED, None, ""
        if record.pid is not None:
            state = UnitState.RUNNING
            if processes.identity(record.pid) != record.identity:
                state = UnitState.ENDED
                if self._ends.get(record.id, ("",))[0] != record.identity:
                    how = processes.clear_away(record.pid, record.id)
                    self._ends[record.id] = (record.identity, time.time(), how)
                _, ended_at, detail = self._ends[record.id]
        self._records.bound_log(record)
        return record.pid, Unit(
            id=record.id,
            name=record.name,
            workload=record.workload,
            revision=record.revision,
            state=state,
            created_at=record.created_at,
            grace_s=record.grace_s,
            stopping=record.stopping,
            started_at=record.started_at,
            ended_at=ended_at,
            address=LOCALHOST,
            detail=detail,
            port=record.port,
        )

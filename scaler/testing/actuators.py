"""An actuator without containers or processes: the shared logic on an engine in memory that tests can disturb."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from signal import SIGKILL, Signals
from typing import Any, ClassVar

from scaler.actuators.replicas import ReplicaActuator
from scaler.actuators.runtime import Blueprint, Runtime, Unit, UnitState
from scaler.model import App, Endpoint
from scaler.ports.actuator import Usage
from scaler.ports.errors import EngineUnavailable, ReplicaRejected


@dataclass(slots=True)
class FakeReplica:
    """A replica in memory; `accepting` says whether its port takes connections."""

    owner: str
    unit: Unit
    stubborn: bool
    cpu_cores: float = 0.0
    accepting: bool = True
    began_at: float = 0.0
    memory_bytes: int = 10_000_000
    _used_s: float = 0.0
    _counted_at: float = field(default_factory=time.monotonic)

    def run_anew(self) -> None:
        """Begin a run, which has used nothing."""
        self._used_s, self._counted_at = 0.0, time.monotonic()
        self.began_at = asyncio.get_running_loop().time()

    def use(self, *, cpu_cores: float, memory_bytes: int) -> None:
        """Use this much from now on."""
        self.usage()
        self.cpu_cores, self.memory_bytes = cpu_cores, memory_bytes

    def usage(self) -> Usage:
        """Count."""
        now = time.monotonic()
        self._used_s += (now - self._counted_at) * self.cpu_cores
        self._counted_at = now
        return Usage(self.unit.id, now, self._used_s, self.memory_bytes)


class FakeEngine:
    """Replicas in memory; several actuators may share one, as they share a Docker engine.

    Attributes:
        answer_delay_s: How long each call takes.
        prepare_delay_s: How long it takes to prepare an app's replicas, as the pull of an image does.
        start_delay_s: How long each start takes.
        accept_delay_s: How long after its start a replica of an app with ingress accepts connections.
        failing_starts: So many of the next starts fail.
        failing_permanently: They fail as a wrong manifest does, else as an engine that does not answer.
        starts: Starts so far, restarts in place included.

    A replica whose command is `crash` ends as soon as it is started; one whose command is `stubborn` ignores
    SIGTERM; one whose command is `busy` uses a core.
    """

    def __init__(self) -> None:
        self.answer_delay_s = 0.0
        self.prepare_delay_s = 0.0
        self.start_delay_s = 0.0
        self.accept_delay_s = 0.0
        self.failing_starts = 0
        self.failing_permanently = True
        self.starts = 0
        self._down = False
        self.replicas: dict[str, FakeReplica] = {}
        self.ids = itertools.count(1)
        self.watchers: list[tuple[Callable[[], None], Callable[[str], None]]] = []

    @property
    def down(self) -> bool:
        """Whether the engine does not answer. Replicas run on meanwhile."""
        return self._down

    @down.setter
    def down(self, value: bool) -> None:
        self._down = value
        self.notify()

    def running(self, owner: str | None = None) -> list[str]:
        """Return the names of replicas that run, oldest first."""
        return [name for name in self.existing(owner) if self.by_name(name).unit.state is UnitState.RUNNING]

    def existing(self, owner: str | None = None) -> list[str]:
        """Return the names of all replicas, ended ones included, oldest first."""
        return [each.unit.name for each in self.replicas.values() if owner in {None, each.owner}]

    def crash(self, name: str, detail: str = "exit code 1") -> None:
        """End a replica from outside."""
        self.end(self.by_name(name), detail)

    def remove_by_hand(self, name: str) -> None:
        """Make a replica vanish."""
        del self.replicas[self.by_name(name).unit.id]
        self.notify()

    def by_name(self, name: str) -> FakeReplica:
        """Return a replica that exists."""
        return next(each for each in self.replicas.values() if each.unit.name == name)

    async def connect(self, endpoint: Endpoint, timeout_s: float) -> str:
        """Return why a replica does not accept a connection; empty when it does."""
        del timeout_s
        await asyncio.sleep(0)
        each = next((each for each in self.replicas.values() if each.unit.endpoint == endpoint), None)
        now = asyncio.get_running_loop().time()
        if each is not None and each.accepting and now >= each.began_at + self.accept_delay_s:
            return ""
        return f"ConnectionRefusedError at port {endpoint.port}"

    def notify(self) -> None:
        """Tell the actuators that something changed."""
        if not self._down:
            for changed, _ in self.watchers:
                changed()

    def update(self, each: FakeReplica, **changes: Any) -> None:
        """Change what is known of a replica."""
        each.unit = replace(each.unit, **changes)
        self.notify()

    def end(self, each: FakeReplica, detail: str) -> None:
        """End a replica."""
        if not self._down:
            for _, ended in self.watchers:
                ended(each.unit.id)
        self.update(each, state=UnitState.ENDED, ended_at=time.time(), detail=detail)


class FakeRuntime(Runtime):
    """One owner's view of a `FakeEngine`."""

    def __init__(self, owner: str, engine: FakeEngine) -> None:
        self._owner = owner
        self._engine = engine
        self._watcher: tuple[Callable[[], None], Callable[[str], None]] | None = None

    async def open(self, changed: Callable[[], None], ended: Callable[[str], None]) -> None:
        """See `Runtime.open`."""
        self._watcher = changed, ended
        self._engine.watchers.append(self._watcher)

    async def close(self) -> None:
        """See `Runtime.close`."""
        if self._watcher is not None:
            self._engine.watchers.remove(self._watcher)
            self._watcher = None

    async def units(self) -> Sequence[Unit]:
        """See `Runtime.units`."""
        await self._answer()
        return [each.unit for each in self._engine.replicas.values() if each.owner == self._owner]

    async def usage(self, unit_ids: Sequence[str]) -> Sequence[Usage]:
        """See `Runtime.usage`."""
        await self._answer()
        found = [each for unit_id in unit_ids if (each := self._engine.replicas.get(unit_id))]
        return [each.usage() for each in found if each.unit.state is UnitState.RUNNING]

    async def prepare(self, app: App) -> None:
        """See `Runtime.prepare`."""
        del app
        await self._answer()
        await asyncio.sleep(self._engine.prepare_delay_s)

    async def create(self, plan: Blueprint) -> str:
        """See `Runtime.create`."""
        await self._answer()
        number = next(self._engine.ids)
        unit_id = f"fake-{number}"
        unit = Unit(
            id=unit_id,
            name=plan.name,
            workload=plan.workload,
            revision=plan.revision,
            state=UnitState.CREATED,
            created_at=time.time(),
            grace_s=plan.app.termination_grace_period_s,
            address=f"192.0.2.{number % 256}",  # of no real machine (RFC 5737)
            port=plan.target_port,
        )
        command = plan.container.command
        self._engine.replicas[unit_id] = FakeReplica(
            self._owner, unit, stubborn="stubborn" in command, cpu_cores=float("busy" in command)
        )
        return unit_id

    async def start(self, unit_id: str, plan: Blueprint) -> Unit | None:
        """See `Runtime.start`."""
        engine = self._engine
        await self._answer()
        await asyncio.sleep(engine.start_delay_s)
        if engine.failing_starts > 0:
            engine.failing_starts -= 1
            error = ReplicaRejected if engine.failing_permanently else EngineUnavailable
            raise error(f"{plan.name}: told to fail")
        each = engine.replicas.get(unit_id)
        if each is not None and each.unit.state is not UnitState.RUNNING:
            engine.starts += 1
            each.run_anew()
            engine.update(each, state=UnitState.RUNNING, started_at=time.time(), ended_at=None, detail="")
            if "crash" in plan.container.command:
                engine.end(each, "exit code 1")
        return each.unit if each is not None else None

    async def mark_stopping(self, unit_id: str) -> None:
        """See `Runtime.mark_stopping`."""
        await self._answer()
        if each := self._engine.replicas.get(unit_id):
            self._engine.update(each, stopping=True)

    async def signal(self, unit_id: str, signal: Signals) -> None:
        """See `Runtime.signal`."""
        await self._answer()
        each = self._engine.replicas.get(unit_id)
        if each and each.unit.state is UnitState.RUNNING and (signal is SIGKILL or not each.stubborn):
            self._engine.end(each, f"ended by {signal.name}")

    async def remove(self, unit_id: str) -> None:
        """See `Runtime.remove`."""
        await self._answer()
        self._engine.replicas.pop(unit_id, None)
        self._engine.notify()

    async def _answer(self) -> None:
        await asyncio.sleep(self._engine.answer_delay_s)
        if self._engine.down:
            raise EngineUnavailable("the fake engine is down")


class FakeActuator(ReplicaActuator):
    """The in-memory actuator; `engine` is where tests disturb it."""

    kind: ClassVar[str] = "fake"

    def __init__(self, owner: str = "test", engine: FakeEngine | None = None, **settings: Any) -> None:
        self.engine = engine or FakeEngine()
        super().__init__(
            FakeRuntime(owner, self.engine), **{"retry_s": 0.05, "connect": self.engine.connect, **settings}
        )

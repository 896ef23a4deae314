"""The running service: one supervised loop per workload, reconfigured while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from scaler.backoff import Backoff
from scaler.engine.memory import Memory
from scaler.engine.workload_loop import WorkloadLoop
from scaler.model import App, Workload
from scaler.ports.actuator import Actuator
from scaler.ports.errors import ActuatorError
from scaler.ports.recorder import Recorder
from scaler.supervision import supervise

log = structlog.get_logger(__name__)

# Leaving a workload's loop may take this long; after it the tasks that hang are named in the log.
LOOP_END_DEADLINE_S = 15.0
# So many loops start in one turn of the event loop: with thousands at once, the first reads would miss their deadline.
STARTS_PER_TURN = 10


class Service:
    """Runs the loops of all workloads.

    A workload that leaves the configuration has its replicas stopped; one that changes goes on with its memory.
    The first configuration also stops replicas that this owner left behind for workloads now unknown.
    """

    def __init__(
        self,
        *,
        actuator: Actuator,
        memory: Memory,
        recorder: Recorder,
        make_loop: Callable[[Workload], WorkloadLoop],
        on_configured: Callable[[], None] = lambda: None,
    ) -> None:
        self._actuator = actuator
        self._memory = memory
        self._recorder = recorder
        self._make_loop = make_loop
        self._on_configured = on_configured
        self._loops: dict[str, WorkloadLoop] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._removals: dict[str, asyncio.Task[None]] = {}
        self._reconfiguring = asyncio.Lock()
        self._tasks: asyncio.TaskGroup

    async def run(
        self, workloads: Sequence[Workload], *, complete: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        """Scale these, and what `reconfigure` changes, until cancelled. Replicas then stay as they are.

        Args:
            workloads: The first configuration, or what is known of it so far.
            complete: Waits until all of it was given; replicas of others are not stopped before.
        """
        async with asyncio.TaskGroup() as self._tasks:
            self._spawn("memory", self._memory.run)
            self._spawn("replica-changes", self._relay_changes)
            await self.reconfigure(workloads)
            if complete is not None:
                await complete()
            self._spawn("strangers", self._remove_strangers)

    async def reconfigure(self, workloads: Sequence[Workload]) -> None:
        """Go over to these workloads; those that are equal to the present ones are not disturbed.

        Calls at the same time are carried out one after the other.
        """
        async with self._reconfiguring:
            await self._reconfigure(workloads)
            self._on_configured()

    async def _reconfigure(self, workloads: Sequence[Workload]) -> None:
        wanted = {workload.name: workload for workload in workloads}
        present = {name: loop.workload for name, loop in self._loops.items()}
        gone = [workload for name, workload in present.items() if wanted.get(name) != workload]
        await self._end_loops([workload.name for workload in gone])
        for workload in gone:
            if workload.name not in wanted:
                log.info("workload_removed", workload=workload.name)
                self._recorder.workload_removed(workload)
                self._remove(workload.name)
        changed = [workload for name, workload in wanted.items() if present.get(name) != workload]
        for number, workload in enumerate(changed, start=1):
            name = workload.name
            log.info("workload_changed" if name in present else "workload_added", workload=name)
            if name in present:
                self._recorder.workload_removed(present[name])
            self._start(workload, present.get(name))
            if number % STARTS_PER_TURN == 0:
                await asyncio.sleep(0)

    def _start(self, workload: Workload, before: Workload | None) -> None:
        removal = self._removals.pop(workload.name, None)
        if removal is not None:
            removal.cancel()
        if removal is not None or (before is not None and isinstance(before.target, App)):
            self._leave_app(workload)
        self._recorder.workload_added(workload)
        loop = self._loops[workload.name] = self._make_loop(workload)
        self._running[workload.name] = self._tasks.create_task(
            supervise(loop.run, "workload_loop_failed", workload=workload.name), name=f"workload:{workload.name}"
        )

    async def _end_loops(self, names: Sequence[str]) -> None:
        ending = [self._running.pop(name) for name in names]
        for task in ending:
            task.cancel()
        for name in names:
            del self._loops[name]
        if ending:
            _, hanging = await asyncio.wait(ending, timeout=LOOP_END_DEADLINE_S)
            for task in hanging:
                log.error("task_hangs", task=task.get_name())

    async def _relay_changes(self) -> None:
        async for name in self._actuator.changes():
            loop = self._loops.get(name)
            if loop is not None:
                loop.replicas_changed()
        raise RuntimeError("the actuator's changes ended")

    async def _remove_strangers(self) -> None:
        """Stop replicas, and drop memories, of workloads that an earlier run had and this one has not."""
        backoff = Backoff(first_s=1, longest_s=30)
        while True:
            try:
                owned: Mapping[str, object] = await self._actuator.owned()
                break
            except ActuatorError as error:
                log.debug("owned_replicas_not_read", error=str(error))
                await asyncio.sleep(backoff.next_delay())
        for name in (set(owned) | self._memory.names) - set(self._loops) - set(self._removals):
            log.info("workload_removed", workload=name)
            self._remove(name)
        for name in set(owned) & set(self._loops) - set(self._removals):
            self._leave_app(self._loops[name].workload)

    def _leave_app(self, workload: Workload) -> None:
        """Stop the replicas of an app in whose place something that runs already is scaled under the same name."""
        if not isinstance(workload.target, App):
            self._remove(workload.name, forget=False)

    def _remove(self, name: str, *, forget: bool = True) -> None:
        self._removals[name] = self._spawn(f"remove:{name}", lambda: self._remove_replicas(name, forget=forget))

    async def _remove_replicas(self, name: str, *, forget: bool) -> None:
        backoff = Backoff(first_s=1, longest_s=30)
        while True:
            try:
                await self._actuator.remove(name)
                break
            except ActuatorError as error:
                log.warning("replicas_not_removed", workload=name, error=str(error))
                await asyncio.sleep(backoff.next_delay())
        if forget:
            self._memory.forget(name)
        self._removals.pop(name, None)

    def _spawn(self, name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return self._tasks.create_task(supervise(work, "service_task_failed", task=name), name=name)

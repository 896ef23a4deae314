"""Replicas that get no more requests, until each may be told to stop or is called back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from scaler.actuators.runtime import Unit
from scaler.model import Replica
from scaler.ports.errors import ActuatorError
from scaler.ports.load_balancer import LoadBalancer

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Drain:
    unit: Unit
    ended: asyncio.Event
    stopping: bool = False
    task: asyncio.Task[None] | None = None


class Drains:
    """Drains under way. They are known in memory only: what drains when this service ends goes on running.

    Args:
        balancer: What has to let go of a replica before it is told to stop.
        replica_of: Returns a unit as the balancer is to see it.
        stop: Tells a unit to stop.
        changed: Called with a workload's name after a replica began to drain, was called back, or is told to stop.
        retry_s: Wait before an engine is asked again that did not take the stop.
    """

    def __init__(
        self,
        balancer: LoadBalancer,
        *,
        replica_of: Callable[[Unit], Replica],
        stop: Callable[[Unit], Awaitable[object]],
        changed: Callable[[str], None],
        retry_s: float,
    ) -> None:
        self._balancer = balancer
        self._replica_of = replica_of
        self._stop = stop
        self._changed = changed
        self._retry_s = retry_s
        self._drains: dict[str, _Drain] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __contains__(self, unit_id: object) -> bool:
        return unit_id in self._drains

    def stopping(self, unit_id: str) -> bool:
        """Return whether a drain is over and the engine is being told to stop the unit: too late to call it back."""
        return unit_id in self._drains and self._drains[unit_id].stopping

    def begin(self, workload: str, units: Iterable[Unit]) -> None:
        """Drain and then stop units of a workload, each within its grace period. Those that drain already go on."""
        begun = [_Drain(unit, asyncio.Event()) for unit in units if unit.id not in self._drains]
        self._drains |= {drain.unit.id: drain for drain in begun}
        if begun:
            self._changed(workload)
        for drain in begun:
            drain.task = asyncio.create_task(self._run(drain), name=f"actuator:drain:{drain.unit.name}")
            self._tasks.add(drain.task)
            drain.task.add_done_callback(self._tasks.discard)

    def call_back(self, workload: str, unit_ids: Iterable[str]) -> None:
        """Let units serve again that were not told to stop yet."""
        called = [drain for unit_id in unit_ids if (drain := self._drains.get(unit_id)) and not drain.stopping]
        for drain in called:
            del self._drains[drain.unit.id]
            if drain.task is not None:
                drain.task.cancel()
        if called:
            log.info("replicas_called_back", workload=workload, replicas=[drain.unit.name for drain in called])
            self._changed(workload)

    def ended(self, unit_id: str) -> None:
        """A unit ended on its own: there is nothing left to wait for."""
        if drain := self._drains.get(unit_id):
            drain.ended.set()

    def forget(self, present: Callable[[str], bool]) -> None:
        """Forget units that exist no more, or of which the engine itself says that they are stopping."""
        for unit_id in [unit_id for unit_id in self._drains if not present(unit_id)]:
            self._drains.pop(unit_id).ended.set()

    async def close(self) -> None:
        """Break off all drains; units stay as they are."""
        self._drains.clear()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def _run(self, drain: _Drain) -> None:
        unit = drain.unit
        released = await self._released(drain)
        if self._drains.get(unit.id) is not drain:
            return
        if not released:
            self.call_back(unit.workload, [unit.id])
            return
        drain.stopping = True
        self._changed(unit.workload)
        while self._drains.get(unit.id) is drain:
            try:
                await self._stop(unit)
            except ActuatorError as error:
                log.debug("replica_not_stopped", workload=unit.workload, replica=unit.name, error=str(error))
            except Exception:
                log.exception("replica_not_stopped", workload=unit.workload, replica=unit.name)
            else:
                return  # a listing that shows it as stopping, or not at all, ends the drain
            await asyncio.sleep(self._retry_s)

    async def _released(self, drain: _Drain) -> bool:
        """Wait until the unit may be told to stop; return False when it is to serve again."""
        unit = drain.unit
        if unit.grace_s <= 0:
            return True
        asked = asyncio.ensure_future(self._balancer.drain(unit.workload, self._replica_of(unit)))
        ended = asyncio.create_task(drain.ended.wait(), name=f"actuator:drain:ended:{unit.name}")
        try:
            await asyncio.wait((asked, ended), timeout=unit.grace_s, return_when=asyncio.FIRST_COMPLETED)
            if drain.ended.is_set():
                return True
            if not asked.done():
                log.info("drain_given_up", workload=unit.workload, replica=unit.name, grace_s=unit.grace_s)
                return True
            return asked.result()
        except Exception:
            # Its bug must not keep a replica for ever.
            log.exception("drain_failed", workload=unit.workload, replica=unit.name)
            return True
        finally:
            asked.cancel()
            ended.cancel()
            await asyncio.wait((asked, ended))

"""Reads one trigger with a deadline, and keeps whatever its plugin does away from everyone else."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from traceback import extract_tb
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from scaler.backoff import Backoff
from scaler.cancellation import being_cancelled
from scaler.model import Reading, Trigger, Workload
from scaler.ports.connections import Connections
from scaler.ports.errors import Permanent, SourceError
from scaler.ports.recorder import Recorder
from scaler.ports.scaler import PushScaler, ReplicaScaler, Scaler, TrafficScaler
from scaler.ports.statistics import Statistics
from scaler.ports.traffic import Traffic
from scaler.printable import printable

log = structlog.get_logger(__name__)

# KEDA's default time-out for HTTP sources (KEDA_HTTP_DEFAULT_TIMEOUT).
READ_DEADLINE_S = 3.0
# What is granted beyond a time-out, the default or a trigger's own: clients give a server up after as long, and can
# then say themselves what was lost, once for all triggers.
GRACE_S = 0.25
# Closing may take this long; a plugin that needs longer is left behind.
CLOSE_DEADLINE_S = 5.0
# A scaler that was open for this long is opened again at once: what ended it is not what ended it before.
STEADY_S = 60.0
# What a plugin must not raise, but may. Without CancelledError among them, one that leaks out of a library would end
# the workload's loop unseen; SystemExit would end the service.
BUGS = (Exception, asyncio.CancelledError, SystemExit)


class TriggerReader:
    """Keeps one trigger's scaler open and reads it; failures of all kinds become readings.

    A plugin that ignores its cancellation is left behind: the trigger stays unknown until that read has ended, and
    nothing else waits for it. So is one that hangs while it closes.
    """

    def __init__(
        self,
        workload: Workload,
        trigger: Trigger,
        scaler: type[Scaler[Any]],
        connections: Connections,
        recorder: Recorder,
        *,
        statistics: Statistics | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self.trigger = trigger
        self._workload = workload
        self._scaler_class = scaler
        self._connections = connections
        self._recorder = recorder
        self._statistics = statistics
        self._traffic = traffic
        own = trigger.config.read_timeout_s()
        self._timeout_s = READ_DEADLINE_S if own is None else own
        self._scaler: Scaler[Any] | None = None
        self._opened = asyncio.Event()
        self._not_opened = ""
        self._reading: asyncio.Task[Reading] | None = None
        self._available = True
        self._bug_logged = False
        self._logged = False
        self._lost_quietly = False
        self._log = log.bind(workload=workload.name, trigger=trigger.name)

    async def run(self, wake: Callable[[], None]) -> None:
        """Keep the scaler open until cancelled, calling `wake` whenever its source pushes."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(first_s=0.5, longest_s=30)
        while True:
            began = loop.time()
            session = asyncio.create_task(self._hold_open(wake), name=f"plugin:{self._workload.name}")
            try:
                await asyncio.wait((session,))
            except asyncio.CancelledError:
                session.cancel()
                await asyncio.wait((session,), timeout=CLOSE_DEADLINE_S)
                if not session.done():
                    self._log.error("plugin_hangs", type=self.trigger.type, hint="it was told to close")
                raise
            finally:
                self._scaler = None
                self._opened.clear()
            if loop.time() - began > STEADY_S:
                backoff.reset()
            await asyncio.sleep(backoff.next_delay())

    async def read(self) -> Reading:
        """Return what the source says now, or why it is unknown. Never raises, and never outlasts the deadline."""
        started = time.perf_counter()
        if self._reading is not None and not self._reading.done():
            reading = Reading.failed("the previous read has not ended")
        else:
            self._reading = asyncio.create_task(self._read_once(), name=f"read:{self._workload.name}")
            try:
                await asyncio.wait((self._reading,), timeout=self._timeout_s + GRACE_S)
            finally:
                ended = not self._reading.cancel()
            if ended:
                reading = self._reading.result()
            else:
                reading = Reading.failed(self._not_opened or f"no answer within {self._timeout_s:g} s")
        self._recorder.read(self._workload, self.trigger.name, reading, duration_s=time.perf_counter() - started)
        self._log_change(reading)
        return reading

    async def _hold_open(self, wake: Callable[[], None]) -> None:
        """Open, relay pushes, and close: in one task, as plugins that hold task groups or cancel scopes need it."""
        try:
            async with self._scaler_class.open(self.trigger.config, self._connections) as scaler:
                if isinstance(scaler, ReplicaScaler) and self._statistics is not None:
                    scaler.attach(self._statistics)
                if isinstance(scaler, TrafficScaler) and self._traffic is not None:
                    scaler.attach(self._traffic)
                self._scaler = scaler
                self._not_opened = ""
                self._opened.set()
                await self._relay_pushes(scaler, wake)
        except SourceError as error:
            self._not_opened = printable(str(error))
        except BUGS as error:
            # A plugin may raise anything while it opens or closes; the trigger is unknown meanwhile.
            if isinstance(error, asyncio.CancelledError) and being_cancelled():
                raise
            self._not_opened = f"opening the scaler {self.trigger.type!r} raised {type(error).__name__}"
            self._count_bug(error)

    async def _relay_pushes(self, scaler: Scaler[Any], wake: Callable[[], None]) -> None:
        backoff = Backoff(first_s=0.5, longest_s=30)
        while isinstance(scaler, PushScaler):
            try:
                async for _ in scaler.wakeups():
                    backoff.reset()
                    wake()
                break
            except SourceError as error:
                self._log.debug("push_interrupted", error=str(error))
            except BUGS as error:
                # A push is only a hint: polling goes on whatever the plugin raised.
                if being_cancelled():
                    raise
                self._count_bug(error)
            if being_cancelled():
                return
            await asyncio.sleep(backoff.next_delay())
        await asyncio.get_running_loop().create_future()

    async def _read_once(self) -> Reading:
        await self._opened.wait()
        assert self._scaler is not None  # noqa: S101 - set before the event
        try:
            return _checked(await self._scaler.read())
        except SourceError as error:
            self._logged = error.logged
            # A source may have said a part of it.
            return Reading.failed(printable(f"rejected: {error}" if isinstance(error, Permanent) else str(error)))
        except BUGS as error:
            if isinstance(error, asyncio.CancelledError) and being_cancelled():
                raise
            # A bug of the plugin: counted and logged once per outage, and the trigger is unknown.
            self._count_bug(error)
            return Reading.failed(f"the scaler {self.trigger.type!r} raised {type(error).__name__}")

    def _count_bug(self, error: BaseException) -> None:
        """Count it, and log once per outage what was raised and where; not its text, which may hold a secret."""
        self._recorder.plugin_bug(self._workload, self.trigger.name)
        if self._available and not self._bug_logged:
            frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)]
            self._log.error("plugin_bug", type=self.trigger.type, raised=type(error).__name__, traceback=frames)
            self._bug_logged = True

    def _log_change(self, reading: Reading) -> None:
        """Say once that a source is lost, and once that it is back; quietly where its client said so for all."""
        if reading.error is None and not self._available:
            # As loudly as its loss: whoever read of one is to read of the other.
            self._log.log(logging.DEBUG if self._lost_quietly else logging.INFO, "trigger_recovered")
        elif reading.error is not None and self._available:
            self._lost_quietly = self._logged
            level = logging.DEBUG if self._lost_quietly else logging.WARNING
            self._log.log(level, "trigger_unavailable", error=reading.error)
        self._available = reading.error is None
        self._logged = self._logged and not self._available
        self._bug_logged = self._bug_logged and not self._available


def _checked(reading: Any) -> Reading:
    """Return what a plugin read if a decision can be taken from it."""
    if not isinstance(reading, Reading) or not isinstance(reading.value, int | float | None):
        raise TypeError(f"expected a Reading with a number, got {type(reading).__name__}")
    if reading.changes_at is not None:
        ZoneInfo(reading.changes_zone)  # raises where there is none of that name
        if not math.isfinite(reading.changes_at):
            raise TypeError("expected a Reading that changes at some moment")
    for sample in reading.samples or ():
        numbers = (sample.usage, sample.limit, sample.running_s, sample.settled_s, sample.window_s, sample.measured_s)
        if not all(isinstance(number, int | float | None) for number in numbers):
            raise TypeError("expected samples with numbers")
    return reading

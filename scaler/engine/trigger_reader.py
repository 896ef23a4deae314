"""Reads one trigger with a deadline, and keeps whatever its plugin does away from everyone else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog

from scaler.engine.backoff import Backoff
from scaler.model import Reading, Trigger, Workload
from scaler.ports.connections import Connections
from scaler.ports.errors import Permanent, SourceError
from scaler.ports.recorder import Recorder
from scaler.ports.scaler import PushScaler, Scaler

log = structlog.get_logger(__name__)

# KEDA's default time-out for HTTP sources (KEDA_HTTP_DEFAULT_TIMEOUT).
READ_DEADLINE_S = 3.0


class TriggerReader:
    """Keeps one trigger's scaler open and reads it; failures of all kinds become readings.

    A plugin that ignores its cancellation is left behind: the trigger stays unknown until that read has ended, and
    nothing else waits for it.
    """

    def __init__(
        self,
        workload: Workload,
        trigger: Trigger,
        scaler: type[Scaler[Any]],
        connections: Connections,
        recorder: Recorder,
        *,
        deadline_s: float = READ_DEADLINE_S,
    ) -> None:
        self.trigger = trigger
        self._workload = workload
        self._scaler_class = scaler
        self._connections = connections
        self._recorder = recorder
        self._deadline_s = deadline_s
        self._scaler: Scaler[Any] | None = None
        self._opened = asyncio.Event()
        self._not_opened = ""
        self._reading: asyncio.Task[Reading] | None = None
        self._available = True
        self._log = log.bind(workload=workload.name, trigger=trigger.name)

    async def run(self, wake: Callable[[], None]) -> None:
        """Keep the scaler open until cancelled, calling `wake` whenever its source pushes.

        Opened and closed in the same task, as plugins that hold task groups or cancel scopes need it.
        """
        backoff = Backoff(first_s=0.5, longest_s=30)
        while True:
            try:
                async with self._scaler_class.open(self.trigger.config, self._connections) as scaler:
                    self._scaler = scaler
                    self._not_opened = ""
                    self._opened.set()
                    await self._relay_pushes(scaler, wake)
            except SourceError as error:
                self._not_opened = str(error)
            except Exception as error:  # noqa: BLE001
                # A plugin may raise anything while it opens or closes; the trigger is unknown meanwhile.
                self._not_opened = f"opening the scaler {self.trigger.type!r} raised {type(error).__name__}"
                self._count_bug()
            finally:
                self._scaler = None
                self._opened.clear()
            await asyncio.sleep(backoff.next_delay())

    async def read(self) -> Reading:
        """Return what the source says now, or why it is unknown. Never raises, and never outlasts the deadline."""
        started = time.perf_counter()
        if self._reading is not None and not self._reading.done():
            reading = Reading.failed("the previous read has not ended")
        else:
            self._reading = asyncio.create_task(self._read_once(), name=f"read:{self._workload.name}")
            await asyncio.wait((self._reading,), timeout=self._deadline_s)
            if self._reading.done():
                reading = self._reading.result()
            else:
                self._reading.cancel()
                reading = Reading.failed(self._not_opened or f"no answer within {self._deadline_s:g} s")
        self._recorder.read(self._workload, self.trigger.name, reading, duration_s=time.perf_counter() - started)
        self._log_change(reading)
        return reading

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
            except Exception:  # noqa: BLE001
                # A push is only a hint: polling goes on whatever the plugin raised.
                self._count_bug()
            await asyncio.sleep(backoff.next_delay())
        await asyncio.get_running_loop().create_future()

    async def _read_once(self) -> Reading:
        await self._opened.wait()
        assert self._scaler is not None  # noqa: S101 - set before the event
        try:
            return await self._scaler.read()
        except SourceError as error:
            return Reading.failed(f"rejected: {error}" if isinstance(error, Permanent) else str(error))
        except Exception as error:  # noqa: BLE001
            # A bug of the plugin: counted and logged once per outage, and the trigger is unknown.
            self._count_bug()
            return Reading.failed(f"the scaler {self.trigger.type!r} raised {type(error).__name__}")

    def _count_bug(self) -> None:
        self._recorder.plugin_bug(self._workload, self.trigger.name)
        if self._available:
            self._log.exception("plugin_bug", type=self.trigger.type)

    def _log_change(self, reading: Reading) -> None:
        """Say once that a source is lost, and once that it is back."""
        if reading.error is None and not self._available:
            self._log.info("trigger_recovered")
        elif reading.error is not None and self._available:
            self._log.warning("trigger_unavailable", error=reading.error)
        self._available = reading.error is None

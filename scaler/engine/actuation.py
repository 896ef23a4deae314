"""Makes one workload's replicas follow the latest desired count, apart from the loop that decides it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog

from scaler.backoff import Backoff
from scaler.model import Workload
from scaler.ports.actuator import Actuator, Applied
from scaler.ports.errors import ActuatorError, Permanent, RegistryUnavailable
from scaler.ports.recorder import Recorder

log = structlog.get_logger(__name__)

# A step that takes longer than this (an image is pulled, the engine hangs) is given up once a newer count is asked for.
STEP_PATIENCE_S = 5.0
# On shutdown a step in flight may take this long to end; the actuator survives being cut off.
LAST_STEP_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class _Failure:
    """What went wrong: one log line per kind, since texts name replicas that differ at each attempt.

    `told` is what those who wait for a replica are told, when none can be started; else empty.
    """

    kind: type
    text: str
    permanent: bool = False
    told: str = ""


class Actuation:
    """Applies the latest desired count whenever it or the real replicas change; failures back off and retry.

    Newer counts replace older ones that were not applied yet. Nothing here remembers replicas: what is missing or
    too many is found by the actuator at every step.
    """

    def __init__(self, workload: Workload, actuator: Actuator, recorder: Recorder) -> None:
        self._workload = workload
        self._actuator = actuator
        self._recorder = recorder
        self._desired: int | None = None
        self._attempted: int | None = None
        self._read_at: float | None = None
        self._work = asyncio.Event()
        self._log = log.bind(workload=workload.name)

    @property
    def desired(self) -> int | None:
        """The count that was last requested; None before the first."""
        return self._desired

    def request(self, desired: int, *, read_at: float) -> None:
        """Make it so, from readings taken at `read_at` (`time.perf_counter`)."""
        self._desired = desired
        self._read_at = read_at
        self._work.set()

    def check(self) -> None:
        """Compare again: replicas changed on their own."""
        if self._desired is not None:
            self._work.set()

    async def run(self) -> None:
        """Work until cancelled; the step in flight may end then."""
        backoff = Backoff(first_s=0.5, longest_s=10)
        rejected = Backoff(first_s=10, longest_s=300)
        complaint: object = None
        while True:
            await self._work.wait()
            self._work.clear()
            failure = await self._attempt()
            if failure is None:
                if complaint is not None:
                    self._log.info("actuation_recovered")
                    self._recorder.actuation_recovered(self._workload)
                complaint = None
                backoff.reset()
                rejected.reset()
                continue
            self._recorder.actuation_failed(self._workload, error=failure.text)
            if failure.told:
                self._recorder.unstartable(self._workload, reason=failure.told)
            if failure.kind != complaint:
                self._log.warning("actuation_failed", error=failure.text)
            complaint = failure.kind
            await self._pause((rejected if failure.permanent else backoff).next_delay())
            self._work.set()

    async def _attempt(self) -> _Failure | None:
        """Apply the latest count, giving up for a newer one where that takes long; return what went wrong."""
        while True:
            assert self._desired is not None  # noqa: S101 - requested before the event
            desired = self._attempted = self._desired
            step = asyncio.create_task(self._step(desired), name=f"apply:{self._workload.name}")
            try:
                while not step.done():
                    await asyncio.wait((step,), timeout=STEP_PATIENCE_S)
                    if self._desired != desired:
                        step.cancel()  # may take its time; the next step is not to overlap it
            except asyncio.CancelledError:
                await asyncio.wait((step,), timeout=LAST_STEP_DEADLINE_S)
                step.cancel()
                raise
            if not step.cancelled():
                return step.result()
            if self._desired == desired:
                self._log.error("actuator_bug", error="it cancelled itself")
                return _Failure(asyncio.CancelledError, "the actuator cancelled itself")

    async def _step(self, desired: int) -> _Failure | None:
        """Apply once; return what went wrong."""
        read_at = self._read_at
        started = time.perf_counter()
        try:
            applied = await self._actuator.apply(self._workload, desired)
        except ActuatorError as error:
            permanent = isinstance(error, Permanent)
            told = error.told if permanent or isinstance(error, RegistryUnavailable) else ""
            return _Failure(type(error), str(error), permanent=permanent, told=told)
        except Exception as error:  # noqa: BLE001 - reported below
            # An actuator's bug must not end the workload: logged whole, and tried again.
            self._log.exception("actuator_bug")
            return _Failure(type(error), f"{type(error).__name__} in the actuator")
        if applied.started or applied.stopped or applied.failed:
            ended = time.perf_counter()
            reaction_s = ended - read_at if read_at is not None and applied.started else None
            self._read_at = None
            self._recorder.actuated(
                self._workload,
                started=len(applied.started),
                stopped=len(applied.stopped),
                failed=len(applied.failed),
                duration_s=ended - started,
                reaction_s=reaction_s,
            )
        if applied.failed:
            return _Failure(Applied, applied.failed[0])
        return None

    async def _pause(self, delay_s: float) -> None:
        """Wait before a retry, or less when another count than the attempted one is asked for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + delay_s
        while (remaining := deadline - loop.time()) > 0 and self._desired == self._attempted:
            try:
                async with asyncio.timeout(remaining):
                    await self._work.wait()
            except TimeoutError:
                return
            self._work.clear()

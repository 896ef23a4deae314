"""Takes up labels of compose services while the service runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from scaler.actuators.compose.actuator import ComposeActuator
from scaler.actuators.compose.containers import ServiceName
from scaler.actuators.compose.labels import Labelled
from scaler.backoff import Backoff
from scaler.manifest.compose import labels
from scaler.manifest.compose.labels import LabelledScaling, LabelledService
from scaler.manifest.triggers import Scalers
from scaler.model import Workload
from scaler.ports.errors import ActuatorError
from scaler.ports.recorder import Recorder

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0


async def read(actuator: ComposeActuator, scalers: Scalers) -> tuple[LabelledScaling, ...]:
    """Return what the labels of the services that exist now say.

    Raises:
        EngineUnavailable: The engine does not answer.
    """
    return _scalings(await actuator.labelled(labels.PREFIX), scalers)


class LabelWatch:
    """Looks at the services once a second, and hands on all workloads whenever their labels say something else.

    Labels that are wrong are reported and change nothing: what scaled the service before goes on.
    """

    def __init__(
        self,
        actuator: ComposeActuator,
        scalers: Scalers,
        take: Callable[[Sequence[Workload]], Awaitable[None]],
        recorder: Recorder,
    ) -> None:
        self._actuator = actuator
        self._scalers = scalers
        self._take = take
        self._recorder = recorder
        self._seen: Mapping[ServiceName, Labelled] | None = None
        self._workloads: dict[str, Workload] = {}
        self._first = asyncio.Event()

    async def complete(self) -> None:
        """Wait until the services were looked at for the first time."""
        await self._first.wait()

    async def run(self) -> None:
        """Watch until cancelled."""
        backoff = Backoff(first_s=1, longest_s=30)
        while True:
            try:
                found = await self._actuator.labelled(labels.PREFIX)
            except ActuatorError as error:
                log.debug("labels_not_read", error=str(error))
                await asyncio.sleep(backoff.next_delay())
                continue
            backoff.reset()
            if found != self._seen:
                await self._change(found)
            self._first.set()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _change(self, found: Mapping[ServiceName, Labelled]) -> None:
        before = self._seen or {}
        # In a thread: many services must not stop the loops.
        scalings = await asyncio.to_thread(_scalings, found, self._scalers)
        workloads = {}
        for service, scaling in zip(found, scalings, strict=True):
            name = scaling.service.name
            known = scaling.workload or self._workloads.get(name)
            if known is not None:
                workloads[name] = known
            if before.get(service) == found[service]:
                continue
            for problem in scaling.problems:
                (log.warning if problem.warning else log.error)("label_problem", problem=str(problem))
            if scaling.workload is None:
                hint = "it is scaled as before" if known else "it is not scaled"
                log.error("labels_ignored", service=str(service), hint=f"{hint} until its labels are mended")
            self._recorder.configuration_reloaded(accepted=scaling.workload is not None, part=str(service))
        for service in before.keys() - found.keys():
            self._recorder.configuration_dropped(part=str(service))
        await self._take(tuple(workloads.values()))
        self._workloads, self._seen = workloads, found


def _scalings(found: Mapping[ServiceName, Labelled], scalers: Scalers) -> tuple[LabelledScaling, ...]:
    services = [
        LabelledService(name.project, name.service, each.labels, each.environment) for name, each in found.items()
    ]
    return labels.read_labels(services, scalers)

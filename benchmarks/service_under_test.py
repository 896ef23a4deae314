"""The service as benchmarks run it: real scalers, state on disk, metrics; replicas that only exist on paper."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from scaler import manifests, wiring
from scaler.engine.memory import Memory
from scaler.engine.service import Service
from scaler.engine.state_store import SqliteStateStore
from scaler.model import Reading, Workload
from scaler.observability.fan_out import FanOut
from scaler.ports.recorder import Recorder
from scaler.showing import Views
from scaler.testing.actuators import FakeActuator

_DOCUMENTS_PER_FILE = 1000


class Observed(Recorder):
    """Counts reads, and keeps lateness and the moment of each workload's latest start."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.clear()

    def clear(self) -> None:
        """Forget what was before."""
        self.reads = 0
        self.errors = 0
        self.lateness_s: list[float] = []
        self.started_at: dict[str, float] = {}
        self.stopped_at: dict[str, float] = {}

    async def all_read(self, count: int) -> None:
        """Wait until there were so many reads."""
        await self._until(lambda: self.reads >= count)

    async def all_started(self, count: int) -> None:
        """Wait until so many workloads were started."""
        await self._until(lambda: len(self.started_at) >= count)

    async def all_stopped(self, count: int) -> None:
        """Wait until so many workloads had replicas stopped."""
        await self._until(lambda: len(self.stopped_at) >= count)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    def woke(self, workload: Workload, *, lateness_s: float, pushed: bool) -> None:  # noqa: ARG002
        """Keep how late it was."""
        self.lateness_s.append(lateness_s)

    def read(self, workload: Workload, trigger: str, reading: Reading, *, duration_s: float) -> None:  # noqa: ARG002
        """Count it."""
        self.reads += 1
        self.errors += reading.error is not None
        self._changed.set()

    def actuated(
        self,
        workload: Workload,
        *,
        started: int,
        stopped: int,
        failed: int,  # noqa: ARG002
        duration_s: float,  # noqa: ARG002
        reaction_s: float | None,  # noqa: ARG002
    ) -> None:
        """Keep when."""
        if started:
            self.started_at[workload.name] = time.perf_counter()
        if stopped:
            self.stopped_at[workload.name] = time.perf_counter()
        self._changed.set()


def write_manifests(folder: Path, triggers: Sequence[Mapping[str, object]], **scale: float) -> None:
    """Write an app for each trigger, in files that the loader takes."""
    for first in range(0, len(triggers), _DOCUMENTS_PER_FILE):
        documents = [
            {
                "name": f"worker-{number}",
                "properties": {
                    "template": {
                        "containers": [{"name": "main", "image": "worker"}],
                        "terminationGracePeriodSeconds": 0,
                        "scale": {"maxReplicas": 10, "rules": [{"name": "jobs", "custom": trigger}], **scale},
                    }
                },
            }
            for number, trigger in enumerate(triggers[first : first + _DOCUMENTS_PER_FILE], start=first)
        ]
        text = "\n---\n".join(json.dumps(document) for document in documents)
        (folder / f"workers-{first}.yaml").write_text(text)


def load(triggers: Sequence[Mapping[str, object]], **scale: float) -> tuple[Workload, ...]:
    """Return the workloads of these triggers, one each, by way of manifests."""
    with tempfile.TemporaryDirectory(prefix="scaler-bench-") as folder:
        write_manifests(Path(folder), triggers, **scale)
        return manifests.load_manifests([Path(folder)]).workloads


@asynccontextmanager
async def serving(observed: Observed, *others: Recorder) -> AsyncIterator[Service]:
    """Lend a service that stores, counts and shows everything, over an actuator that only pretends."""
    recorder = FanOut(*Views.over(lambda _: (), keda_metrics=False).recorders, observed, *others)
    with tempfile.TemporaryDirectory(prefix="scaler-bench-") as folder:
        async with (
            SqliteStateStore(Path(folder) / "state.db") as store,
            FakeActuator() as actuator,
            wiring.make_service(actuator, Memory(store), recorder) as service,
        ):
            yield service

"""What the service holds: memory, threads and descriptors are where they were, when all is well again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from scaler.testing.service_process import ServiceProcess

# Replicas differ from one look to the next: some connections of probes, pidfds, threads of pools that fill.
_MORE_DESCRIPTORS = 40
_MORE_THREADS = 24
_MORE_MB = 80.0
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Held:
    """What one process holds."""

    descriptors: int
    threads: int
    memory_mb: float


class Resources:
    """Compares each run of the service with its own beginning, and with that of all runs."""

    def __init__(self, service: ServiceProcess, *, patience_s: float) -> None:
        self._service = service
        self._patience_s = patience_s
        self._pid = 0
        self._first: Held | None = None
        self.most: Held | None = None

    def problems(self) -> list[str]:
        """Return what grew too much."""
        deadline = time.monotonic() + self._patience_s
        while problems := list(self._grown()):
            if time.monotonic() > deadline:
                return problems
            time.sleep(_LOOK_S)
        return []

    def _grown(self) -> Iterator[str]:
        pid = self._service.pid
        process = psutil.Process(pid)
        now = Held(process.num_fds(), process.num_threads(), process.memory_info().rss / 1e6)
        if pid != self._pid or self._first is None:
            self._pid, self._first = pid, now
        first = self._first
        self.most = now if self.most is None else Held(
            max(self.most.descriptors, now.descriptors),
            max(self.most.threads, now.threads),
            max(self.most.memory_mb, now.memory_mb),
        )  # fmt: skip
        if now.descriptors > first.descriptors + _MORE_DESCRIPTORS:
            yield f"descriptors grew from {first.descriptors} to {now.descriptors}"
        if now.threads > first.threads + _MORE_THREADS:
            yield f"threads grew from {first.threads} to {now.threads}"
        if now.memory_mb > first.memory_mb + _MORE_MB:
            yield f"memory grew from {first.memory_mb:.0f} MB to {now.memory_mb:.0f} MB"

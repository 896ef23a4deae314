"""Looks at what the service decides, all the time: no count may fall while a window or a cooldown holds it."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.faults import estate
from scaler.observability.api_client import ServiceNotReached
from scaler.testing.service_process import ServiceProcess

_LOOK_S = 0.2
# What a window may lack: the reading before the last change, what a kill loses (1 s), and a look.
_SLACK_S = estate.INTERVAL_S + 1.0 + 0.5
# Without a `behavior`.
LONG_WINDOW_S = 300.0


@dataclass(slots=True)
class Level:
    """A count that was wanted and reached, until a moment (None: still)."""

    replicas: int
    until: float | None = None


class Watch:
    """A thread that asks the service, and knows what its windows hold.

    Attributes:
        broken: What was seen that may not be; taken by who looks.
    """

    def __init__(self, service: ServiceProcess, *, plain: Collection[str]) -> None:
        self.broken: list[str] = []
        self._service = service
        self._plain = frozenset(plain)
        self._levels: dict[str, list[Level]] = {}
        self._tried: dict[str, list[tuple[float, int]]] = {}
        self._lock = threading.Lock()
        self._paused = threading.Event()
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look while this is entered."""
        thread = threading.Thread(target=self._run, name="watch")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def pause(self) -> None:
        """Do not look: the service is about to be away."""
        self._paused.set()

    def go_on(self) -> None:
        """Look again."""
        self._paused.clear()

    def close(self, names: Collection[str] | None = None) -> None:
        """Let what is wanted now be the past, of these or of all: it holds for as long as its window does."""
        with self._lock:
            for name, levels in self._levels.items():
                if (names is None or name in names) and levels and levels[-1].until is None:
                    levels[-1].until = time.monotonic()

    def tried(self, name: str, replicas: int) -> None:
        """Know that a queue wanted so many, which the service may have seen or not."""
        with self._lock:
            self._tried.setdefault(name, []).append((time.monotonic(), replicas))

    def confirm(self, counts: Mapping[str, int]) -> None:
        """Take these counts as wanted and reached now."""
        with self._lock:
            for name, count in counts.items():
                levels = self._levels.setdefault(name, [])
                if levels and levels[-1].until is None and levels[-1].replicas == count:
                    continue
                if levels and levels[-1].until is None:
                    levels[-1].until = time.monotonic()
                if count == 0:
                    levels.clear()
                    self._tried.pop(name, None)
                levels.append(Level(count))
                del levels[:-20]

    def forget(self, name: str) -> None:
        """Let nothing of the past hold: its replicas were ended on purpose."""
        with self._lock:
            self._levels.pop(name, None)
            self._tried.pop(name, None)

    def wanted(self, name: str, replicas: int) -> tuple[int, int]:
        """Return the least and the most that a workload may have in the end, whose queue wants so many."""
        if name not in self._plain or replicas == 0:
            return replicas, replicas
        held = self._highest(name, LONG_WINDOW_S - _SLACK_S)
        since = time.monotonic() - LONG_WINDOW_S - 60.0
        with self._lock:
            tried = [count for at, count in self._tried.get(name, []) if at >= since]
        perhaps = max(*tried, 0, self._highest(name, LONG_WINDOW_S + 60.0))
        return max(replicas, held), max(replicas, perhaps)

    def _highest(self, name: str, window_s: float) -> int:
        since = time.monotonic() - window_s
        with self._lock:
            levels = self._levels.get(name, [])
            return max((it.replicas for it in levels if it.until is None or it.until >= since), default=0)

    def _run(self) -> None:
        while not self._over.wait(_LOOK_S):
            if not self._paused.is_set():
                self._look()

    def _look(self) -> None:
        try:
            views = self._service.api.workloads()
        except (ServiceNotReached, RuntimeError, ValueError):
            return
        for view in views:
            floor = self._highest(view.name, estate.WINDOW_S - _SLACK_S)
            if view.decision is not None and view.decision.desired < floor and not self._paused.is_set():
                self.broken.append(
                    f"{view.name} went to {view.decision.desired} while a window of {estate.WINDOW_S:g} s holds {floor}"
                )

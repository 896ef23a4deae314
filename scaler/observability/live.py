"""What changes, for those who watch: made once for all of them, and not at all while there are none."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from scaler.model import Decision, Reading, Replica, Workload
from scaler.observability.status import StatusBoard
from scaler.ports.recorder import Recorder

# So many may watch at the same time.
MOST_WATCHERS = 32
# Changes within this time are told at once.
COALESCE_S = 0.25
# So many workloads are made in one turn of the event loop, and told in one event.
BATCH = 25
# At most this share of one processor goes into it: with thousands of workloads, changes are told less often.
_REST_PER_WORK = 9.0


class Watcher:
    """One who watches: the workloads that it has yet to be told of. It holds names, so that it cannot grow."""

    def __init__(self, names: list[str]) -> None:
        self._pending: dict[str, None] = dict.fromkeys(names)
        self._changed = asyncio.Event()
        self.closed = False

    def tell(self, names: list[str]) -> None:
        """Add workloads that changed or went."""
        self._pending.update(dict.fromkeys(names))
        self._changed.set()

    def close(self) -> None:
        """Let it end."""
        self.closed = True
        self._changed.set()

    async def wait(self, at_most_s: float) -> list[str]:
        """Return some of the workloads to be told, after waiting for one if need be; none when the time is over."""
        if not self._pending and not self.closed:
            try:
                async with asyncio.timeout(at_most_s):
                    await self._changed.wait()
            except TimeoutError:
                return []
        names = list(self._pending)[:BATCH]
        for name in names:
            del self._pending[name]
        if not self._pending and not self.closed:
            self._changed.clear()
        return names


class TooManyWatchers(Exception):
    """As many watch as may."""


class Live(Recorder):
    """A recorder that notes which workloads changed and, while somebody watches, keeps each as JSON.

    It must come after the board in the fan-out: it shows what that knows.
    """

    def __init__(self, board: StatusBoard) -> None:
        self._board = board
        self._watchers: set[Watcher] = set()
        self._changed: dict[str, None] = {}
        self._shown: dict[str, str] = {}
        self._work = asyncio.Event()
        self._ended = False

    @contextmanager
    def watching(self) -> Iterator[Watcher]:
        """Lend a watcher, which is told of all workloads at first.

        Raises:
            TooManyWatchers: As many watch as may.
        """
        if self._ended or len(self._watchers) >= MOST_WATCHERS:
            raise TooManyWatchers
        watcher = Watcher(sorted(self._shown))
        if not self._watchers:
            self._note(*self._board.names())
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._changed.clear()
                self._shown.clear()

    def hello(self) -> str:
        """Return what a watcher is told first as a JSON object: what runs, and the names of all workloads."""
        said = {"now": time.time(), "version": version("event-scaler"), "names": self._board.names()}
        return json.dumps(said | self._of_service())

    def told(self, names: list[str]) -> str:
        """Return these workloads as a JSON object: those that there are, and the names of those that are gone."""
        shown = [self._shown[name] for name in names if name in self._shown]
        gone = [name for name in names if name not in self._shown]
        rest = json.dumps({"now": round(time.time(), 3), "gone": gone} | self._of_service())
        return f'{{"workloads":[{",".join(shown)}],{rest[1:]}'

    def _of_service(self) -> dict[str, object]:
        return {"rejected": self._board.rejected(), "lacks_proxy": self._board.lacks_proxy()}

    async def run(self) -> None:
        """Tell the watchers what changes, until cancelled; then they end."""
        self._ended = False
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                began = time.perf_counter()
                await self._tell()
                await asyncio.sleep(max(COALESCE_S, _REST_PER_WORK * (time.perf_counter() - began)))
        finally:
            self._ended = True
            for watcher in self._watchers:
                watcher.close()

    async def _tell(self) -> None:
        names = list(self._changed)
        self._changed.clear()
        for start in range(0, len(names), BATCH):
            if not self._watchers:
                self._shown.clear()
                return
            batch = [name for name in names[start : start + BATCH] if self._renew(name)]
            if batch:
                for watcher in self._watchers:
                    watcher.tell(batch)
            await asyncio.sleep(0)

    def _renew(self, name: str) -> bool:
        """Make a workload's JSON anew; return whether it differs from what was told."""
        view = self._board.view(name)
        if view is None:
            return self._shown.pop(name, None) is not None
        # When it was last decided changes with each tick, and nobody looks at it.
        text = view.model_dump_json(exclude={"decision": {"at"}})
        if self._shown.get(name) == text:
            return False
        self._shown[name] = text
        return True

    def _note(self, *names: str) -> None:
        self._changed.update(dict.fromkeys(names))
        self._work.set()

    def workload_added(self, workload: Workload) -> None:
        """Note it."""
        self._changes(workload)

    def workload_removed(self, workload: Workload) -> None:
        """Note it."""
        self._changes(workload)

    def read(self, workload: Workload, trigger: str, reading: Reading, *, duration_s: float) -> None:  # noqa: ARG002
        """Note it where a schedule says when it changes; the decision that follows says the rest."""
        if reading.changes_at is not None:
            self._changes(workload)

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:  # noqa: ARG002
        """Note it."""
        self._changes(workload)

    def observed(self, workload: Workload, replicas: tuple[Replica, ...]) -> None:  # noqa: ARG002
        """Note it."""
        self._changes(workload)

    def actuation_failed(self, workload: Workload, *, error: str) -> None:  # noqa: ARG002
        """Note it."""
        self._changes(workload)

    def actuation_recovered(self, workload: Workload) -> None:
        """Note it."""
        self._changes(workload)

    def traffic(self, workload: Workload, *, held: int, in_flight: int) -> None:  # noqa: ARG002
        """Note it."""
        self._changes(workload)

    def proxy_rejected(self, workloads: tuple[Workload, ...], *, error: str) -> None:  # noqa: ARG002
        """Note them."""
        for workload in workloads:
            self._changes(workload)

    def configuration_reloaded(self, *, accepted: bool, part: str = "manifests") -> None:  # noqa: ARG002
        """Tell at once: it is of no workload."""
        self._changes_of_service()

    def configuration_dropped(self, *, part: str) -> None:  # noqa: ARG002
        """Tell at once."""
        self._changes_of_service()

    def proxy_up(self, *, up: bool) -> None:  # noqa: ARG002
        """Tell at once."""
        self._changes_of_service()

    def _changes_of_service(self) -> None:
        for watcher in self._watchers:
            watcher.tell([])

    def _changes(self, workload: Workload) -> None:
        if self._watchers:
            self._note(workload.name)

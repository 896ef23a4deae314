"""What trees of processes use, counted in one pass over all processes of the machine."""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psutil

# A pass may take tens of milliseconds on a busy machine; workloads that ask at the same time share one.
_MAX_AGE_S = 0.5


@dataclass(frozen=True, slots=True)
class _Process:
    cpu_s: float
    memory_bytes: int


class Consumption:
    """The latest pass; for use in one thread."""

    def __init__(self) -> None:
        self.at_s = float("-inf")
        self._processes: Mapping[int, _Process] = {}
        self._children: Mapping[int, set[int]] = {}

    def refresh(self) -> None:
        """Count anew unless it was done just now."""
        if time.monotonic() - self.at_s < _MAX_AGE_S:
            return
        processes: dict[int, _Process] = {}
        children: defaultdict[int, set[int]] = defaultdict(set)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError), process.oneshot():
                # Those of ended children are there, too, once they were waited for.
                cpu_s = sum(process.cpu_times()[:4])
                processes[process.pid] = _Process(cpu_s, process.memory_info().rss)
                children[process.ppid()].add(process.pid)
                # What was left by its parent still belongs to the session of the replica's own process.
                children[os.getsid(process.pid)].add(process.pid)
        self._processes, self._children, self.at_s = processes, children, time.monotonic()

    def of_tree(self, root: int) -> tuple[float, int] | None:
        """Return the seconds of cpu and bytes of memory of a process with all that it started; None when it is gone.

        Memory that processes share is counted for each of them.
        """
        if root not in self._processes:
            return None
        members = [self._processes[pid] for pid in self._tree(root)]
        return sum(each.cpu_s for each in members), sum(each.memory_bytes for each in members)

    def _tree(self, root: int) -> Iterator[int]:
        seen, waiting = {root}, [root]
        while waiting:
            pid = waiting.pop()
            yield pid
            found = self._children.get(pid, set()) & self._processes.keys() - seen
            seen |= found
            waiting += found

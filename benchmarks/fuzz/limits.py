"""What one case may cost: processor time, after which it is broken off, and memory."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

# Of processor time, on a slow machine. The largest manifest that is read at all needs some five seconds.
CPU_S = 20.0
MEMORY_MIB = 300


class TooMuch(BaseException):
    """A case costs more than any input may; no `Exception`, so that nothing takes it for its own."""


@contextmanager
def bounded(*, cpu_s: float = CPU_S, memory_mib: int = MEMORY_MIB) -> Iterator[None]:
    """Break off what needs too much time, in the main thread; afterwards see what memory it took.

    Raises:
        TooMuch: It needed more.
    """
    before = signal.signal(signal.SIGVTALRM, _break_off)
    # Begin a new peak; see proc(5).
    Path("/proc/self/clear_refs").write_text("5")
    peak = _peak_kib()
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
    try:
        yield
    except MemoryError as error:
        raise TooMuch("no memory was left") from error
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    grown = (_peak_kib() - peak) // 1024
    if grown > memory_mib:
        raise TooMuch(f"{grown} MiB of memory")


def _break_off(_: int, __: FrameType | None) -> None:
    raise TooMuch("too much processor time")


def _peak_kib() -> int:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0

"""What one case may cost: processor time, after which it is broken off, and memory."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
    try:
        yield
    except MemoryError as error:
        raise TooMuch("no memory was left") from error
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) // 1024
    if grown > memory_mib:
        raise TooMuch(f"{grown} MiB of memory")


def _break_off(_: int, __: FrameType | None) -> None:
    raise TooMuch("too much processor time")

"""An event loop whose clock jumps: sleeps and time-outs of hours pass at once, in order and exactly.

For tests with fakes only: with real sockets or threads, jumping time and real time disagree.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Never blocks: where nothing is ready, the loop's clock jumps to when something is due."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            message = "the test waits for something that never happens"
            raise RuntimeError(message)
        if not ready and timeout:
            self.loop.advance(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at 0 seconds."""

    def __init__(self) -> None:
        self._now = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


class LoopClock:
    """The clock port over the running loop's time; `epoch` is what its second 0 stands for."""

    def __init__(self, epoch: float = 1_000_000.0) -> None:
        self._epoch = epoch

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return self._epoch + asyncio.get_running_loop().time()

    wall = now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)

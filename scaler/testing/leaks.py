"""What a piece of code leaves behind: tasks, threads, sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_TIMEOUT_S = 60.0
_POLL_S = 0.01


async def until(condition: Callable[[], bool], *, timeout_s: float = _TIMEOUT_S) -> None:
    """Wait until it holds.

    Raises:
        TimeoutError: It did not in time.
    """
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is outside of this process, and sets no event
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def no_leaks() -> AsyncIterator[None]:
    """Fail with AssertionError when the body leaves a task, a thread or a socket that was not there before."""
    tasks, threads, sockets = asyncio.all_tasks(), set(threading.enumerate()), _sockets()
    yield

    def left() -> list[str]:
        return [
            *(task.get_name() for task in asyncio.all_tasks() - tasks),
            *(thread.name for thread in set(threading.enumerate()) - threads if not _is_pooled(thread)),
            *(_sockets() - sockets),
        ]

    # A closed transport lets its socket go in a later turn of the loop.
    with suppress(TimeoutError):
        await until(lambda: not left())
    assert not left(), f"left behind: {', '.join(left())}"


def _is_pooled(thread: threading.Thread) -> bool:
    # The event loop keeps its executor's threads; name resolution runs there.
    return thread.name.startswith("asyncio_")


def _sockets() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            target = str(descriptor.readlink())
            if target.startswith("socket:"):
                found.add(target)
    return found

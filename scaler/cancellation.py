"""Tells a cancellation that someone asked for from one that a library raises of its own accord."""

from __future__ import annotations

import asyncio


def being_cancelled() -> bool:
    """Whether someone cancelled the current task. Libraries also raise CancelledError of their own accord."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def raise_if_cancelled() -> None:
    """Raise a cancellation again that a library may have lost.

    Up to Python 3.11 `asyncio.wait_for` forgets one that comes as what it waits for ends. A loop round such a call
    would go on for ever.
    """
    if being_cancelled():
        raise asyncio.CancelledError

"""Tells a cancellation that someone asked for from one that a library raises of its own accord."""

from __future__ import annotations

import asyncio


def being_cancelled() -> bool:
    """Whether someone cancelled the current task. Libraries also raise CancelledError of their own accord."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

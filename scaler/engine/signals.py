"""Signals: one asks the service to stop, a second ends it at once, SIGHUP has the manifests read again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable


class Stop(Exception):
    """The service was told to stop."""


async def raise_on_signal(reload: Callable[[], None]) -> None:
    """Raise Stop at SIGTERM or SIGINT, and call `reload` at SIGHUP. A second stop signal ends the process at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    told = False

    def on_stop(number: int, _: object) -> None:
        nonlocal told
        if told:
            os._exit(128 + number)
        told = True
        loop.call_soon_threadsafe(stop.set)

    # Not the event loop's handlers: a second signal has to end the process although a plugin blocks the loop.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_stop)
    loop.add_signal_handler(signal.SIGHUP, reload)
    await stop.wait()
    raise Stop

"""Tells systemd that the service is ready, where it waits for that (`Type=notify`); see sd_notify(3)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence

import structlog

log = structlog.get_logger(__name__)

_POLL_S = 0.1


async def tell_ready(configured: asyncio.Event, waiting_for: Callable[[], Sequence[str]]) -> None:
    """Send one datagram to `$NOTIFY_SOCKET`; does nothing where nobody waits for it.

    Args:
        configured: Is set once all workloads were added.
        waiting_for: Returns what is missing before all is served.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    await configured.wait()
    while waiting_for():  # noqa: ASYNC110 - it is told nowhere, and asked for a moment only
        await asyncio.sleep(_POLL_S)
    # A name that begins with @ is in no folder: a NUL takes that place.
    name = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice:
            notice.settimeout(0)
            notice.sendto(b"READY=1", name)
    except OSError as error:
        log.warning("systemd_not_told", error=str(error))

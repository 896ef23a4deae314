"""Asks an embedded Envoy about itself, over the Unix socket of its administration."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from scaler.ingress.envoy.process import ADMIN_SOCKET
from scaler.ports.errors import ScalerError

_TIMEOUT_S = 5.0
_ACTIVE = r"^http\..+\.downstream_rq_active$"
_LISTENING = r"^listener_manager\.workers_started$"
# The administration's own requests.
_OWN = "http.admin."


class EnvoyNotReached(ScalerError):
    """It does not answer."""


class EnvoyAdmin:
    """One Envoy's administration. Every method raises EnvoyNotReached when it does not answer."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def is_ready(self) -> bool:
        """Return whether it serves: it has been told all it waits for, listens, and is not ending."""
        status, _ = await self._ask("GET", "/ready")
        # It says so a moment before its workers listen.
        return status == HTTPStatus.OK and sum((await self.stats(_LISTENING)).values()) == 1

    async def stats(self, regex: str) -> dict[str, int]:
        """Return the counters and gauges whose names match, by name; not histograms, nor what is text."""
        told = (await self._json("/stats", filter=regex, format="json"))["stats"]
        return {each["name"]: each["value"] for each in told if isinstance(each.get("value"), int)}

    async def requests(self) -> int:
        """Return how many requests it has under way, held ones included."""
        active = await self.stats(_ACTIVE)
        return sum(count for name, count in active.items() if not name.startswith(_OWN))

    async def stop_listening(self) -> None:
        """Take no more connections; those that there are stay."""
        await self._ask("POST", "/drain_listeners")

    async def _json(self, path: str, **query: str) -> Any:
        status, body = await self._ask("GET", path, **query)
        if status != HTTPStatus.OK:
            raise EnvoyNotReached(f"Envoy answered {status} to {path}")
        return json.loads(body)

    async def _ask(self, method: str, path: str, **query: str) -> tuple[int, bytes]:
        try:
            async with self._session.request(method, path, params=query) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            raise EnvoyNotReached(f"Envoy's administration does not answer: {str(error) or 'not in time'}") from error


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[EnvoyAdmin]:
    """Lend the administration of the Envoy of a folder; it is asked for at the first call, and may be gone again.

    Raises:
        EnvoyNotReached: There is no such folder.
    """
    try:
        # Its path may be longer than a socket's may be.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise EnvoyNotReached(f"no Envoy has run in {folder}: {error.strerror}") from error
    try:
        async with aiohttp.ClientSession(
            "http://envoy",
            connector=aiohttp.UnixConnector(f"/proc/self/fd/{descriptor}/{ADMIN_SOCKET}"),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
        ) as session:
            yield EnvoyAdmin(session)
    finally:
        os.close(descriptor)

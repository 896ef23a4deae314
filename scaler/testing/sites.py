"""Proxies in memory: they are told of apps, and acknowledge when a test says so."""

from __future__ import annotations

import asyncio

from scaler.ingress.site import Site
from scaler.ingress.xds.discovery import SiteRejected


class FakeSites:
    """What proxies are told of apps, for tests of what tells them.

    Attributes:
        started: Proxies are told.
        prompt: What is put is acknowledged at once; otherwise by `acknowledge`.
        rejects: Why apps are refused; None takes them.
        history: All that was put, in order.
    """

    def __init__(self, *, prompt: bool = True) -> None:
        self.started = True
        self.prompt = prompt
        self.rejects: str | None = None
        self.history: list[Site] = []
        self._acknowledged = 0
        self._changed = asyncio.Event()

    @property
    def latest(self) -> Site:
        """What was put last."""
        return self.history[-1]

    def put(self, site: Site) -> None:
        """See `Discovery.put`."""
        self.history.append(site)

    def acknowledge(self) -> None:
        """Let proxies have taken all that was put until now."""
        self._acknowledged = len(self.history)
        self._changed.set()
        self._changed = asyncio.Event()

    async def acknowledged(self, name: str) -> None:
        """See `Discovery.acknowledged`."""
        wanted = len(self.history)
        while True:
            if self.rejects is not None:
                raise SiteRejected(f"app {name}: {self.rejects}")
            if self.prompt or self._acknowledged >= wanted:
                return
            await self._changed.wait()

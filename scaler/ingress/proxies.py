"""The proxies that report: which are there, and whose traffic their reports tell of."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from scaler.ingress.load_reports import ClusterLoad


class Reported(Protocol):
    """Takes what is reported of one app."""

    def reported(self, proxy: str, number: int, loads: Iterable[ClusterLoad]) -> None:
        """Take a report."""

    def proxy_gone(self, proxy: str) -> None:
        """Forget what a proxy reported."""


class Proxies:
    """Implements `LoadListener`: gives each app what is reported of it, and keeps count of the reports.

    A report costs what it tells of: apps that had nothing before and have nothing now are not touched.

    Attributes:
        reports: How many reports each proxy has sent since it connected.
        rounds: How often every proxy has reported since it did before.
    """

    def __init__(
        self,
        apps: Mapping[str, Reported],
        app_of: Callable[[str], str | None],
        *,
        lost: Callable[[int], None],
    ) -> None:
        """Make it.

        Args:
            apps: The traffic of the apps by name; whoever owns the mapping changes it at any time.
            app_of: Tells from a cluster's name whose it is; None of nobody.
            lost: Called when a proxy is gone, with how many requests it had held and in flight.
        """
        self._apps = apps
        self._app_of = app_of
        self._lost = lost
        self.reports: dict[str, int] = {}
        self.rounds = 0
        self._due: set[str] = set()  # those that have not reported in this round
        self._busy: dict[str, set[str]] = {}
        self._ever = False
        self._next = asyncio.Event()

    def connected(self, proxy: str) -> None:
        """See `LoadListener.connected`. One that is back is known by what it reported before."""
        self.reports.setdefault(proxy, 0)
        self._busy.setdefault(proxy, set())
        self._due.add(proxy)

    def reported(self, proxy: str, loads: Mapping[str, ClusterLoad]) -> None:
        """See `LoadListener.reported`."""
        self._ever = True
        number = self.reports[proxy] = self.reports[proxy] + 1
        by_app: defaultdict[str, list[ClusterLoad]] = defaultdict(list)
        for cluster, load in loads.items():
            if (name := self._app_of(cluster)) is not None and name in self._apps:
                by_app[name].append(load)
        before, self._busy[proxy] = self._busy[proxy], set(by_app)
        for name in before | by_app.keys():
            if (app := self._apps.get(name)) is not None:
                app.reported(proxy, number, by_app.get(name, ()))
        self._had_its_turn(proxy)
        self._wake()

    def gone(self, proxy: str, requests: int) -> None:
        """See `LoadListener.gone`."""
        del self.reports[proxy]
        del self._busy[proxy]
        for app in self._apps.values():
            app.proxy_gone(proxy)
        self._had_its_turn(proxy)
        self._lost(requests)
        self._wake()

    def missing(self) -> str:
        """Return what is not known yet, in words; empty when every proxy has reported."""
        if not self._ever:
            return "no proxy has reported yet what it has in flight"
        silent = [proxy for proxy, number in self.reports.items() if not number]
        return f"the proxy {silent[0]} has not reported yet what it has in flight" if silent else ""

    async def next_report(self) -> None:
        """Wait until a proxy reports, or one is gone."""
        await self._next.wait()

    def _had_its_turn(self, proxy: str) -> None:
        self._due.discard(proxy)
        if not self._due:
            self.rounds += 1
            self._due.update(self.reports)

    def _wake(self) -> None:
        """Wake those that wait now; those that come later wait for the next."""
        self._next.set()
        self._next = asyncio.Event()

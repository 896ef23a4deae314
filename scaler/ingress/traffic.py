"""The requests to one app: those that are held, those that were just released, and those that the proxies report."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping

from scaler.ingress.load_reports import ClusterLoad
from scaler.ingress.proxies import Proxies
from scaler.model import Endpoint
from scaler.ports.errors import SourceUnavailable
from scaler.ports.recorder import HoldOutcome
from scaler.ports.traffic import TrafficSample

# How long a released request counts as in flight where no report says that it was given to a replica: its client may
# have hung up just then. Reports come every 0.25 s, three times as rarely while much is being reconfigured, and the
# first of a newly watched cluster comes one later.
BRIDGE_S = 1.5
# As many reports of every proxy must have come in that time: one that was stalled, or that we were too busy to hear, is
# yet to tell. The first may be about a time before, and with several proxies some have sent theirs of this round.
BRIDGE_ROUNDS = 4
# A rise of the number in flight by this part, and at least by one, over what was last read is worth a wake-up: a step
# from 1 to 100 is then read about ten times, however fast it comes.
MARKED_RISE = 0.5
# Requests that are answered at once leave nothing in flight, so that each would be the first: one in this many seconds
# wakes. An app that cannot start may get thousands.
ANSWERED_GAP_S = 1.0
# Reports without anything in flight after which an endpoint is quiet.
_QUIET_REPORTS = 2


class AppTraffic:
    """Implements `Traffic` and `HoldObserver` for one app.

    In flight are, each once:
    - requests that wait;
    - requests that were released, until the proxies' reports have issued as many: Envoy counts a request as issued and
      as in progress at the same moment, so one that is issued in a report is in progress in it or has ended. That
      bridges the time from release to report, at most one interval; where no report tells of it, `BRIDGE_S` and
      `BRIDGE_ROUNDS`.
      (A hot request may take the place of a released one in that count for one interval.)
    - requests that the proxies have in progress, summed over proxies and clusters.
    """

    def __init__(self, proxies: Proxies, clock: Callable[[], float]) -> None:
        """Make it.

        Args:
            proxies: Who reports.
            clock: Seconds on a monotonic clock.
        """
        self._proxies = proxies
        self._clock = clock
        self._at_s = clock()
        self._endpoints: frozenset[Endpoint] = frozenset()
        self._held = 0
        # When each was, and in which round of reports.
        self._released: deque[tuple[float, int]] = deque()
        self._in_progress: dict[str, Mapping[Endpoint, int]] = {}
        self._reported = 0
        self._last_busy: dict[tuple[Endpoint, str], int] = {}
        self._request_seconds = 0.0
        self._requests = 0
        self._read = 0
        self._answer_woke_at = -ANSWERED_GAP_S
        self._listeners: set[asyncio.Event] = set()

    @property
    def held(self) -> int:
        """Return how many wait."""
        return self._held

    @property
    def released(self) -> int:
        """Return how many were released of which no report has told yet."""
        return len(self._released)

    @property
    def with_replicas(self) -> int:
        """Return how many replicas have: released ones and reported ones."""
        self._advance()
        return self._reported + len(self._released)

    def serve(self, endpoints: Collection[Endpoint]) -> None:
        """Take note of where the app's replicas take requests, draining ones included; empty while it has none."""
        self._endpoints = frozenset(endpoints)
        self._last_busy = {key: number for key, number in self._last_busy.items() if key[0] in self._endpoints}

    def arrived(self) -> None:
        """See `HoldObserver.arrived`."""
        self._advance()
        first = self._in_flight() == 0
        self._held += 1
        self._requests += 1
        self._tell(first=first)

    def ended(self, outcome: HoldOutcome, held_s: float) -> None:
        """See `HoldObserver.ended`."""
        del held_s
        self._advance()
        self._held -= 1
        if outcome is HoldOutcome.RELEASED:
            self._released.append((self._at_s, self._proxies.rounds))

    def answered(self, outcome: HoldOutcome) -> None:
        """See `HoldObserver.answered`. What an exclusion answered counts nowhere: it must not start the app."""
        if outcome is HoldOutcome.NOT_WAKING:
            return
        self._advance()
        self._requests += 1
        if self._in_flight() == 0 and self._at_s - self._answer_woke_at >= ANSWERED_GAP_S:
            self._answer_woke_at = self._at_s
            self._tell(first=True)

    def reported(self, proxy: str, number: int, loads: Iterable[ClusterLoad]) -> None:
        """Take what a proxy reported of the app's clusters, instead of what it reported before.

        Args:
            proxy: Its name.
            number: Which of its reports it is.
            loads: Those of its clusters that have anything; may be none.
        """
        self._advance()
        endpoints: Counter[Endpoint] = Counter()
        issued = 0
        for load in loads:
            issued += load.issued
            for endpoint, part in load.endpoints.items():
                endpoints[endpoint] += part.in_progress
                if part.in_progress or part.issued:
                    self._last_busy[endpoint, proxy] = number
        self._reported += endpoints.total() - sum(self._in_progress.pop(proxy, {}).values())
        if endpoints:
            self._in_progress[proxy] = endpoints
        bridged = min(issued, len(self._released))
        for _ in range(bridged):
            self._released.popleft()
        self._requests += issued - bridged
        self._tell(first=False)

    def proxy_gone(self, proxy: str) -> None:
        """Take note that a proxy is gone, and with it what it had in flight."""
        self._advance()
        self._reported -= sum(self._in_progress.pop(proxy, {}).values())
        self._last_busy = {key: number for key, number in self._last_busy.items() if key[1] != proxy}

    def in_flight_at(self, endpoint: Endpoint) -> int:
        """Return how many requests the proxies have in progress with an endpoint, as last reported."""
        return sum(endpoints.get(endpoint, 0) for endpoints in self._in_progress.values())

    def sample(self) -> TrafficSample:
        """See `Traffic.sample`. An app without replicas needs no report: all that it has is held here."""
        if self._endpoints and (missing := self._proxies.missing()):
            raise SourceUnavailable(missing)
        self._advance()
        self._read = self._in_flight()
        return TrafficSample(self._at_s, self._read, self._request_seconds, self._requests)

    async def changes(self) -> AsyncIterator[None]:
        """See `Traffic.changes`. Many changes may be one; requests that are there already are a change, too."""
        changed = asyncio.Event()
        if self._in_flight():
            changed.set()
        self._listeners.add(changed)
        try:
            while True:
                await changed.wait()
                changed.clear()
                yield
        finally:
            self._listeners.discard(changed)

    async def quiet(self, endpoint: Endpoint) -> None:
        """Wait until an endpoint has nothing in flight.

        That is so once every proxy has sent two reports in a row, about times that began after the call, in which the
        endpoint had nothing in progress and was given nothing. One that is away is waited for until it is back or
        gone, and where there is none, until one has come: it may be running and not have found the service yet.
        """
        # The next report of each is about a time that began before.
        begin = {proxy: number + 1 for proxy, number in self._proxies.reports.items()}
        while not self._quiet_since(endpoint, begin):
            await self._proxies.next_report()

    def _quiet_since(self, endpoint: Endpoint, begin: Mapping[str, int]) -> bool:
        reports = self._proxies.reports
        return bool(reports) and all(
            number - max(begin.get(proxy, 0), self._last_busy.get((endpoint, proxy), 0)) >= _QUIET_REPORTS
            for proxy, number in reports.items()
        )

    def _in_flight(self) -> int:
        return self._held + len(self._released) + self._reported

    def _tell(self, *, first: bool) -> None:
        """Wake whoever waits for changes, where this is one."""
        rise = self._in_flight() - self._read
        if first or rise >= max(1.0, MARKED_RISE * self._read):
            for changed in self._listeners:
                changed.set()

    def _advance(self) -> None:
        """Bring the integral up to now, and stop counting released requests that no report told of in time."""
        now = self._clock()
        while self._released:
            released_at, began = self._released[0]
            if now < released_at + BRIDGE_S or (self._proxies.reports and self._proxies.rounds < began + BRIDGE_ROUNDS):
                break
            self._accrue(released_at + BRIDGE_S)
            self._released.popleft()
        self._accrue(now)

    def _accrue(self, until: float) -> None:
        self._request_seconds += self._in_flight() * max(0.0, until - self._at_s)
        self._at_s = max(self._at_s, until)

"""Where the requests to one app wait while it has no replica: how many, how long, and in which order they go on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Protocol

from scaler.model import Hold
from scaler.ports.recorder import HoldOutcome

# Waiters that go on at once for each ready replica: the shortest accept queue that is common (Python's `socketserver`)
# takes five connections, and what does not fit waits a second for the kernel to try again.
BATCH_PER_REPLICA = 5
# Until the next batch: as much as an app in Python needs to accept five connections; 2,500 requests a second a replica.
BATCH_INTERVAL_S = 0.002
# When a client that was refused is to come again: soon where the queue was full, since a start empties it; later where
# a whole time-out was not enough.
RETRY_WHEN_FULL_S = 5
RETRY_WHEN_LATE_S = 30

TOO_MANY = "too many requests wait for this app to start"
TOO_LATE = "this app did not start in time"


@dataclass(frozen=True, slots=True)
class Released:
    """The request may go to a replica, after this many seconds."""

    held_s: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The request is to be answered without a replica.

    Attributes:
        outcome: Why.
        reason: The same in words that a client may read.
        retry_after_s: When it is worth to come again, in whole seconds.
        status: The HTTP status.
        held_s: How long it waited.
    """

    outcome: HoldOutcome
    reason: str
    retry_after_s: int
    status: int = 503
    held_s: float = 0.0


class HoldObserver(Protocol):
    """Is told of every request that comes to a waiting room. Must neither block nor raise."""

    def arrived(self) -> None:
        """A request waits from now on, or goes on at once; `ended` follows."""

    def ended(self, outcome: HoldOutcome, held_s: float) -> None:
        """A request that arrived waits no longer: how and after how many seconds."""

    def answered(self, outcome: HoldOutcome) -> None:
        """A request was answered without waiting and without a replica."""


class WaitingRoom:
    """The requests to one app that wait, in the order in which they came.

    It begins closed: they wait. Once open they go on, in batches that its replicas can accept; one that comes while it
    is open and nobody waits goes on at once.
    """

    def __init__(self, hold: Hold, observer: HoldObserver) -> None:
        self._hold_rules = hold
        self._observer = observer
        self._held = 0
        self._replicas = 0
        self._failure: tuple[str, int] | None = None
        # Waiters with the loop's time of their arrival, oldest first. A dict, since clients leave in any order.
        self._waiting: dict[asyncio.Future[Refused | None], float] = {}
        # One timer for all: they came in order and may wait equally long, so the oldest is always the next that is due.
        self._deadline: asyncio.TimerHandle | None = None
        self._next_batch: asyncio.TimerHandle | None = None

    @property
    def hold(self) -> Hold:
        """How many may wait and how long; may be replaced at any time, and then holds for those that wait, too."""
        return self._hold_rules

    @hold.setter
    def hold(self, hold: Hold) -> None:
        self._hold_rules = hold
        if self._deadline is not None:
            self._deadline.cancel()
            self._await_deadline()

    @property
    def held(self) -> int:
        """Return how many wait."""
        return self._held

    @property
    def is_open(self) -> bool:
        """Return whether waiters go on."""
        return self._replicas > 0

    @property
    def failing(self) -> bool:
        """Return whether those that come while it is closed are refused, since no replica can start."""
        return self._failure is not None

    def open(self, replicas: int) -> None:
        """Let waiters go on, at a pace for so many replicas; zero closes. A failure that was told is over."""
        self._replicas = replicas
        if replicas:
            self._failure = None
            if self._next_batch is None:
                self._release()

    def close(self) -> None:
        """Let them wait from now on."""
        self.open(0)

    def fail(self, reason: str, retry_after_s: int) -> None:
        """Answer 503 to all that wait and all that come while it is closed, until `recovered`.

        Args:
            reason: For clients to read: no secret, nothing internal.
            retry_after_s: When it is worth to come again, in whole seconds.
        """
        self._failure = (reason, retry_after_s)
        if not self.is_open:
            self._refuse_first(len(self._waiting), HoldOutcome.FAILED, reason, retry_after_s)

    def recovered(self) -> None:
        """Let those that come wait again."""
        self._failure = None

    def answered(self, outcome: HoldOutcome) -> None:
        """Take note of a request that got its answer without waiting here: a page, or a status of its own."""
        self._observer.answered(outcome)

    async def wait(self) -> Released | Refused:
        """Wait until the request may go on or is to be refused.

        Cancellation means that its client is gone: it counts no longer.
        """
        if self.is_open and not self._waiting:
            self._observer.arrived()
            self._observer.ended(HoldOutcome.RELEASED, 0.0)
            return Released(0.0)
        if (refused := self._refusal()) is not None:
            self.answered(refused.outcome)
            return refused
        return await self._hold()

    def _refusal(self) -> Refused | None:
        """Return why a request may not wait."""
        if self._failure is not None and not self.is_open:
            reason, retry_after_s = self._failure
            return Refused(HoldOutcome.FAILED, reason, retry_after_s)
        if self._held >= self.hold.max_requests:
            return Refused(HoldOutcome.REFUSED, TOO_MANY, RETRY_WHEN_FULL_S)
        return None

    async def _hold(self) -> Released | Refused:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Refused | None] = loop.create_future()
        came_at = self._waiting[future] = loop.time()
        self._held += 1
        if self._deadline is None:
            self._await_deadline()
        self._observer.arrived()
        outcome = HoldOutcome.GONE
        try:
            refused = await future
            outcome = HoldOutcome.RELEASED if refused is None else refused.outcome
        finally:
            self._waiting.pop(future, None)
            self._held -= 1
            held_s = loop.time() - came_at
            self._observer.ended(outcome, held_s)
            self._drop_timers_of_nobody()
        return Released(held_s) if refused is None else refused

    def _release(self) -> None:
        """Let as many go on as the replicas can accept at once, and come back for the others."""
        self._next_batch = None
        if not self.is_open:
            return
        for future in self._take(self._replicas * BATCH_PER_REPLICA):
            future.set_result(None)
        if self._waiting:
            self._next_batch = asyncio.get_running_loop().call_later(BATCH_INTERVAL_S, self._release)

    def _take(self, count: int) -> list[asyncio.Future[Refused | None]]:
        """Take out the oldest. Those whose client is just leaving are not among them."""
        taken = list(islice(self._waiting, count))
        for future in taken:
            del self._waiting[future]
        return [future for future in taken if not future.done()]

    def _refuse_first(self, count: int, outcome: HoldOutcome, reason: str, retry_after_s: int) -> None:
        now = asyncio.get_running_loop().time() if count else 0.0
        for future, came_at in list(islice(self._waiting.items(), count)):
            del self._waiting[future]
            if not future.done():
                future.set_result(Refused(outcome, reason, retry_after_s, held_s=now - came_at))

    def _await_deadline(self) -> None:
        """Set the timer for the oldest waiter."""
        oldest = next(iter(self._waiting.values()), None)
        self._deadline = None
        if oldest is not None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_at(oldest + self.hold.timeout_s, self._expire)

    def _expire(self) -> None:
        """Refuse those that have waited long enough, and set the timer for the next."""
        now = asyncio.get_running_loop().time()
        due = sum(1 for _ in takewhile(lambda came_at: came_at + self.hold.timeout_s <= now, self._waiting.values()))
        self._refuse_first(due, HoldOutcome.TIMED_OUT, TOO_LATE, RETRY_WHEN_LATE_S)
        self._await_deadline()

    def _drop_timers_of_nobody(self) -> None:
        """Leave no timer behind when the last has gone: a removed app's would keep the room in memory."""
        if self._waiting:
            return
        for timer in (self._deadline, self._next_batch):
            if timer is not None:
                timer.cancel()
        self._deadline = self._next_batch = None

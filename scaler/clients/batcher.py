"""Questions that come within a few milliseconds travel to the server together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from scaler.cancellation import being_cancelled
from scaler.clients.outage import Outage
from scaler.ports.errors import SourceError, SourceUnavailable

Q = TypeVar("Q", bound=Hashable)
A = TypeVar("A")

# Questions that come within this time of the first travel together.
GATHER_S = 0.002


class Batcher(Generic[Q, A]):
    """Gathers questions, asks equal ones once, and fails all of them at once while the server is lost.

    One batch is under way at a time; what comes meanwhile forms the next one. Questions must change nothing at the
    server. `serve` runs in a task of the client's own for as long as the client is open.
    """

    def __init__(
        self,
        source: object,
        *,
        exchange: Callable[[Sequence[Q]], Awaitable[Sequence[A | SourceError]]],
        revive: Callable[[], Awaitable[object]],
        on_lost: Callable[[SourceError], None] = lambda _: None,
    ) -> None:
        """Make it.

        Args:
            source: Name of the server, without secrets.
            exchange: Gets distinct questions and returns their answers in the same order, an error for a question
                that the server refused. Raises SourceError when the server is lost: then all questions fail.
            revive: Looks for a sign of life of a lost server; raises SourceError while there is none.
            on_lost: Told why at the beginning of an outage, and whenever it is tried in vain again.
        """
        self._source = source
        self._exchange = exchange
        self._revive = revive
        self._on_lost = on_lost
        self._outage = Outage(source)
        self._queue: dict[Q, list[asyncio.Future[A | SourceError]]] = {}
        self._asking: dict[Q, list[asyncio.Future[A | SourceError]]] = {}
        self._asked = asyncio.Event()
        self._closed = False

    async def ask(self, question: Q) -> A:
        """Ask with the next batch.

        Raises:
            SourceError: The server is lost, or refused the question, or the client was closed.
        """
        if self._closed:
            raise self._closing()
        self._outage.raise_if_lost()
        outcome: asyncio.Future[A | SourceError] = asyncio.get_running_loop().create_future()
        self._queue.setdefault(question, []).append(outcome)
        self._asked.set()
        answer = await outcome
        if isinstance(answer, SourceError):
            raise answer.again()
        return answer

    async def serve(self) -> None:
        """Ask and answer until cancelled."""
        watching = asyncio.create_task(self._outage.watch(self._try_again), name=f"{self._source}: outage")
        try:
            while True:
                await self._asked.wait()
                await asyncio.sleep(GATHER_S)
                await self._ask_all()
        finally:
            watching.cancel()
            self._closed = True
            self._fail_all(self._closing())
            await asyncio.wait((watching,))

    def _closing(self) -> SourceError:
        return SourceUnavailable(f"{self._source}: the client was closed")

    async def _ask_all(self) -> None:
        self._asked.clear()
        # Those that nobody waits for any more are not asked.
        queue, self._queue = self._queue, {}
        self._asking = {
            question: outcomes for question, outcomes in queue.items() if not all(o.done() for o in outcomes)
        }
        if not self._asking:
            return
        try:
            answers = await self._exchange(tuple(self._asking))
        except SourceError as error:
            self._lose(error)
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            # Libraries cancel what waits on a connection that they give up. It must not end this task unseen.
            self._lose(SourceUnavailable(f"{self._source}: the connection was lost"))
        else:
            for outcomes, answer in zip(self._asking.values(), answers, strict=True):
                _settle(outcomes, answer)
            self._asking = {}

    async def _try_again(self) -> None:
        try:
            await self._revive()
        except SourceError as error:
            self._on_lost(error)
            raise

    def _lose(self, error: SourceError) -> None:
        self._outage.begin(error)
        self._fail_all(error)
        self._on_lost(error)

    def _fail_all(self, error: SourceError) -> None:
        for outcomes in (*self._asking.values(), *self._queue.values()):
            _settle(outcomes, error)
        self._asking, self._queue = {}, {}


def _settle(outcomes: Sequence[asyncio.Future[A | SourceError]], answer: A | SourceError) -> None:
    """Hand over an answer or an error, as a result either way: nobody may be left to retrieve an exception."""
    for outcome in outcomes:
        if not outcome.done():
            outcome.set_result(answer)

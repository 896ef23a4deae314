"""A lost server is noticed once, tried again by one loop, and welcomed back once, however many triggers share it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from traceback import extract_tb

import structlog

from scaler.backoff import Backoff
from scaler.cancellation import being_cancelled
from scaler.ports.errors import SourceError, SourceUnavailable, Transient

log = structlog.get_logger(__name__)

_UNAVAILABLE_LONGEST_S = 0.8
# A server that refuses our credentials is tried less often, as it logs each try.
_REJECTED_LONGEST_S = 10.0
# A server that is lost again within this time of its return is tried as if it had not returned.
_STEADY_S = 10.0


class Outage:
    """Whether a server is lost. Meanwhile every question fails at once, and `watch` looks for its return."""

    def __init__(self, source: object) -> None:
        """Make it.

        Args:
            source: What is lost, as text: free of secrets.
        """
        self._source = source
        self._error: SourceError | None = None
        self._began = asyncio.Event()

    def raise_if_lost(self) -> None:
        """Return while the server is there.

        Raises:
            SourceError: It is lost; each caller gets an exception of its own.
        """
        if self._error is not None:
            raise self._error.again()

    @property
    def lost(self) -> bool:
        """Whether it is."""
        return self._error is not None

    def begin(self, error: SourceError) -> None:
        """The server is lost, or lost in another way than before."""
        if self._error is None:
            log.warning("source_lost", source=str(self._source), error=str(error))
        error.logged = True
        self._error = error
        self._began.set()

    async def watch(self, revive: Callable[[], Awaitable[object]]) -> None:
        """End each outage as soon as `revive` succeeds, until cancelled.

        Args:
            revive: Looks for any sign of life; raises SourceError while there is none.
        """
        loop = asyncio.get_running_loop()
        unavailable = Backoff(first_s=0.05, longest_s=_UNAVAILABLE_LONGEST_S)
        rejected = Backoff(first_s=0.5, longest_s=_REJECTED_LONGEST_S)
        returned_at = loop.time()
        while True:
            await self._began.wait()
            if loop.time() - returned_at > _STEADY_S:
                unavailable.reset()
                rejected.reset()
            while (error := self._error) is not None:
                await asyncio.sleep((unavailable if isinstance(error, Transient) else rejected).next_delay())
                await self._try(revive)
            self._began.clear()
            returned_at = loop.time()
            log.info("source_returned", source=str(self._source))

    async def _try(self, revive: Callable[[], Awaitable[object]]) -> None:
        try:
            await revive()
        except SourceError as still:
            self.begin(still)
        except (Exception, asyncio.CancelledError) as bug:
            if being_cancelled():
                raise
            # Whatever a library raises, a loop that ended here would leave the server lost for good.
            text = f"{self._source}: looking for it raised {type(bug).__name__}"
            if str(self._error) != text:
                # Without its text, which may hold a secret.
                frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(bug.__traceback__)]
                log.error("source_not_tried", source=str(self._source), raised=type(bug).__name__, traceback=frames)
            self.begin(SourceUnavailable(text))
        else:
            self._error = None

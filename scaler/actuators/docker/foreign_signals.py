"""Tells when it is safe to start an ended container again: not while the engine may be shutting down.

An engine that shuts down signals all its containers and waits for each, and takes calls meanwhile. A container that is
started in that time outlives the engine, and after its return can be neither used nor removed (seen with Docker
20.10). No event announces a shutdown, but its signals are seen, as those of `docker stop` are.
"""

from __future__ import annotations

import asyncio

# A shutdown gives each container its stop time-out, 10 s unless set otherwise.
_LONGEST_S = 15.0
_QUIET_S = 2.0


class ForeignSignals:
    """Keeps track of signals that containers got from anybody but us. Times are the event loop's."""

    def __init__(self) -> None:
        # By container: whether it ended since we signalled it.
        self._ours: dict[str, bool] = {}
        self._dying: dict[str, float] = {}
        self._last = float("-inf")

    def sent(self, container_id: str) -> None:
        """Note that we signal this container."""
        self._ours[container_id] = False

    def happened(self, container_id: str, action: str, now: float) -> None:
        """Note an event of the engine."""
        if action == "kill" and container_id not in self._ours:
            self._dying[container_id] = self._last = now
        elif action in {"die", "destroy"}:
            self._dying.pop(container_id, None)
            if container_id in self._ours:
                self._ours[container_id] = True
        # The event of a start that was before our signal may come after it.
        if action == "destroy" or (action == "start" and self._ours.get(container_id)):
            self._ours.pop(container_id, None)

    def expected(self, container_id: str) -> bool:
        """Return whether this container was signalled by us, and was not started since."""
        return container_id in self._ours

    def pending(self, container_id: str) -> bool:
        """Return whether this container was signalled by somebody else, and has not ended since."""
        return container_id in self._dying

    def forget(self) -> None:
        """Start over: the stream broke, so the engine has gone or events were missed."""
        self._dying.clear()

    def wait_s(self, now: float) -> float:
        """Return how long to wait before the question makes sense again; 0 when it is quiet."""
        self._dying = {key: at for key, at in self._dying.items() if now - at < _LONGEST_S}
        if self._dying:
            return _QUIET_S
        return max(0.0, self._last + _QUIET_S - now)

    async def quiet(self) -> None:
        """Wait until no signal is under way."""
        loop = asyncio.get_running_loop()
        while (delay_s := self.wait_s(loop.time())) > 0:  # noqa: ASYNC110 - time has to pass, too
            await asyncio.sleep(delay_s)

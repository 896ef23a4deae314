"""What changes, as server-sent events to one watcher, which is dropped when it does not read."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import structlog
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from scaler.observability.live import MOST_WATCHERS, Live, TooManyWatchers, Watcher

log = structlog.get_logger(__name__)

# A connection on which nothing is said for so long gets a word, for those between to keep it open.
ALIVE_S = 10.0
# One that takes nothing for so long is dropped.
PATIENCE_S = 10.0


class EventStream(Response):
    """Answers one request for as long as its client listens.

    Events: `hello` first, with the names of all workloads; then `workloads` with those that are new to the client or
    changed, and the names of those that went; `alive` when there was nothing for a while. Whoever comes back is told
    everything anew, so no event has an id.

    Args:
        live: What changes.
        alive_s: A word is said after so long.
        patience_s: A client that takes nothing for so long is dropped.
    """

    media_type = "text/event-stream"

    def __init__(self, live: Live, *, alive_s: float = ALIVE_S, patience_s: float = PATIENCE_S) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._live = live
        self._alive_s = alive_s
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell until the client goes."""
        try:
            with self._live.watching() as watcher:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async with asyncio.TaskGroup() as tasks:
                    telling = tasks.create_task(self._tell(watcher, send), name="tell-watcher")
                    leaving = tasks.create_task(_leaves(receive), name="watcher-leaves")
                    telling.add_done_callback(lambda _: leaving.cancel())
                    leaving.add_done_callback(lambda _: telling.cancel())
        except* TimeoutError:
            log.debug("watcher_dropped", reason="it does not read")
        except* TooManyWatchers:
            refusal = PlainTextResponse(
                f"{MOST_WATCHERS} pages are open already", HTTPStatus.SERVICE_UNAVAILABLE, {"retry-after": "10"}
            )
            await refusal(scope, receive, send)

    async def _tell(self, watcher: Watcher, send: Send) -> None:
        await self._say("hello", self._live.hello(), send)
        while True:
            names = await watcher.wait(self._alive_s)
            if watcher.closed:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            await self._say("workloads" if names else "alive", self._live.told(names), send)

    async def _say(self, event: str, data: str, send: Send) -> None:
        comment = ": keep-alive\n" if event == "alive" else ""
        body = f"{comment}event: {event}\ndata: {data}\n\n".encode()
        async with asyncio.timeout(self._patience_s):
            await send({"type": "http.response.body", "body": body, "more_body": True})


async def _leaves(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass

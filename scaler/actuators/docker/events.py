"""The engine's event stream, read by one thread that reconnects by itself."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import structlog
from docker.types import CancellableStream

from scaler.actuators.docker.client import EngineClient
from scaler.actuators.docker.failures import translated
from scaler.ports.errors import ActuatorError, EngineRefused

log = structlog.get_logger(__name__)


class EventStream:
    """Calls back on the event loop for every container event of one label.

    Args:
        client: The engine.
        label: `name=value` that containers carry.
        happened: Called with a container's id, the action and the event's attributes (labels among them), and with
            None whenever the stream begins or breaks, so that events may have been missed.
        retry_s: Wait before connecting again.
    """

    def __init__(
        self,
        client: EngineClient,
        label: str,
        happened: Callable[[str | None, str, Mapping[str, str]], None],
        *,
        retry_s: float = 0.5,
    ) -> None:
        self._client = client
        self._label = label
        self._happened = happened
        self._retry_s = retry_s
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._stream: CancellableStream[Any] | None = None
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="docker-events", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Break the stream and wait for the thread."""
        self._stopped.set()
        with self._lock:
            if self._stream is not None:
                with contextlib.suppress(OSError):
                    self._stream.close()
        await self._client.join(self._thread)

    def _run(self) -> None:
        refused = False
        while not self._stopped.is_set():
            try:
                with translated():
                    self._follow()
            except EngineRefused as error:
                if not refused:
                    log.error("engine_events_refused", error=str(error))
                refused = True
            except ActuatorError:
                pass  # an outage is told by the listings that fail; here it only means to try again
            self._tell(None)
            self._stopped.wait(self._retry_s)

    def _follow(self) -> None:
        api: Any = self._client.api()
        stream: Any = api.events(decode=True, filters={"type": "container", "label": self._label})
        try:
            # Which the SDK does not look at: what is no event stream would be read as one.
            api._raise_for_status(stream._response)  # noqa: SLF001
            with self._lock:
                if self._stopped.is_set():
                    return
                self._stream = stream
            self._tell(None)
            for event in stream:
                self._tell(event.get("id"), event.get("Action", ""), event.get("Actor", {}).get("Attributes") or {})
        finally:
            with self._lock:
                self._stream = None
            stream._response.close()  # noqa: SLF001 - the SDK's `close` only shuts the socket down

    def _tell(
        self, container_id: str | None, action: str = "", attributes: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        if not self._stopped.is_set():
            with contextlib.suppress(RuntimeError):  # the loop was closed without us
                self._loop.call_soon_threadsafe(self._happened, container_id, action, attributes)

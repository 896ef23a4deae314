"""The docker SDK, which blocks, in a bounded thread pool."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from docker import APIClient
from requests.adapters import HTTPAdapter

from scaler.actuators.docker.endpoint import Endpoint
from scaler.actuators.docker.failures import translated
from scaler.actuators.docker.tunnel import Tunnel
from scaler.actuators.threads import run_to_end
from scaler.ports.errors import EngineRefused, EngineUnavailable

T = TypeVar("T")


class _Api(APIClient):
    def merge_environment_settings(self, *arguments: Any, **more: Any) -> Any:
        """Stay with the CA that was named, where variables such as `REQUESTS_CA_BUNDLE` name one for all programs."""
        return {**super().merge_environment_settings(*arguments, **more), "verify": self.verify}


class EngineClient:
    """One connection pool to one engine, opened when first needed.

    Args:
        base_url: The engine's address; None takes `DOCKER_HOST` and its companions or docker's current context, as the
            docker command does.
        threads: How many calls may be under way.
        timeout_s: Deadline of one call.
    """

    def __init__(self, base_url: str | None, *, threads: int, timeout_s: float) -> None:
        self._base_url = base_url
        self._threads = threads
        self._timeout_s = timeout_s
        self._api: APIClient | None = None
        self._tunnel: Tunnel | None = None
        self._opening = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="docker")

    def endpoint(self) -> Endpoint:
        """Return which engine this is. Raises ConfigError."""
        if self._base_url is not None:
            return Endpoint(self._base_url, source="base_url")
        return Endpoint.of_environment(os.environ, Path.home())

    def api(self) -> APIClient:
        """Return the SDK's client, for use in a thread; may raise whatever the SDK raises, and EngineUnavailable."""
        with self._opening:
            if self._api is None:
                # Read here, since it looks for certificates, which may be missing.
                endpoint = self.endpoint()
                if endpoint.over_ssh and self._tunnel is None:
                    self._tunnel = Tunnel(endpoint)
                # The version is negotiated, which is why this needs an engine that answers.
                self._api = _Api(
                    base_url=endpoint.url if self._tunnel is None else self._tunnel.open(),
                    tls=endpoint.tls or False,
                    version="auto",
                    timeout=int(self._timeout_s),
                    max_pool_size=self._threads,
                )
                for scheme in ("http://", "https://"):
                    # Which the SDK does not give as many connections as it is told.
                    if scheme in self._api.adapters:
                        self._api.mount(scheme, HTTPAdapter(pool_maxsize=self._threads))
            elif self._tunnel is not None:
                self._tunnel.open()
            return self._api

    async def call(self, function: Callable[[APIClient], T]) -> T:
        """Run a function of the SDK's client in the pool; see `run_to_end` for what a cancellation does.

        Raises:
            EngineUnavailable: See `translated`.
            ReplicaRejected: The same.
        """

        def work() -> T:
            with translated():
                return function(self.api())

        try:
            return await run_to_end(self._pool, work)
        except EngineRefused:
            raise
        except EngineUnavailable as error:
            if self._tunnel is not None and self._tunnel.place not in str(error):
                raise EngineUnavailable(f"{error} ({self._tunnel.place})") from error
            raise

    async def join(self, thread: threading.Thread) -> None:
        """Wait for a thread's end."""
        await asyncio.get_running_loop().run_in_executor(self._pool, thread.join)

    def close(self) -> None:
        """End the pool, whose calls must be over, and close the connections."""
        self._pool.shutdown()
        if self._api is not None:
            self._api.close()
            self._api = None
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None


async def for_each(
    ids: Sequence[str], ask: Callable[[str], Coroutine[Any, Any, T | None]], *, name: str
) -> dict[str, T]:
    """Ask about each container at the same time; those of which there is nothing to tell are left out."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {each: group.create_task(ask(each), name=name) for each in ids}
    except* Exception as errors:  # noqa: BLE001 - passed on: one outage fails all of them alike
        raise errors.exceptions[0] from None
    return {each: found for each, task in tasks.items() if (found := task.result()) is not None}

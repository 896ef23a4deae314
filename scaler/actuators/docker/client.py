"""The docker SDK, which blocks, in a bounded thread pool; its errors become ours here and nowhere else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from scaler.actuators.threads import run_to_end
from scaler.ports.errors import EngineUnavailable, ReplicaRejected

T = TypeVar("T")


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the SDK raises into EngineUnavailable or ReplicaRejected.

    The engine answers 4xx when a request is wrong as it stands. Some start failures of the OCI runtime come as 500.
    """
    try:
        yield
    except APIError as error:
        status, text = error.status_code, str(error.explanation or "no explanation")
        if (status is not None and status < requests.codes.server_error) or "OCI runtime" in text:
            raise ReplicaRejected(text) from error
        raise EngineUnavailable(f"the Docker engine failed: {text}") from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise EngineUnavailable(f"the Docker engine does not answer: {type(error).__name__}") from error


class EngineClient:
    """One connection pool to one engine, opened when first needed.

    Args:
        base_url: The engine's address; None takes `DOCKER_HOST` and its companions, as the docker command does.
        threads: How many calls may be under way.
        timeout_s: Deadline of one call.
    """

    def __init__(self, base_url: str | None, *, threads: int, timeout_s: float) -> None:
        self._base_url = base_url
        self._threads = threads
        self._timeout_s = timeout_s
        self._api: APIClient | None = None
        self._opening = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="docker")

    def api(self) -> APIClient:
        """Return the SDK's client, for use in a thread; may raise whatever the SDK raises."""
        with self._opening:
            if self._api is None:
                # Read here, since it looks for certificates, which may be missing.
                settings: Mapping[str, Any] = (
                    kwargs_from_env() if self._base_url is None else {"base_url": self._base_url}
                )
                # The version is negotiated, which is why this needs an engine that answers.
                self._api = APIClient(
                    version="auto", timeout=int(self._timeout_s), max_pool_size=self._threads, **settings
                )
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

        return await run_to_end(self._pool, work)

    async def join(self, thread: threading.Thread) -> None:
        """Wait for a thread's end."""
        await asyncio.get_running_loop().run_in_executor(self._pool, thread.join)

    def close(self) -> None:
        """End the pool, whose calls must be over, and close the connections."""
        self._pool.shutdown()
        if self._api is not None:
            self._api.close()
            self._api = None


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

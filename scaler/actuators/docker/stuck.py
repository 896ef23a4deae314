"""Containers that cannot be started: what an engine that was killed leaves of a start that it was in the midst of."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import requests
from docker.errors import APIError, NotFound

from scaler.actuators.docker.containers import run_of
from scaler.ports.errors import EngineUnavailable

# What containerd says when the task of an earlier start is still there: it does not run, and there can be no other.
_HELD = re.compile(r"\btask\b.*\balready exists|\bid already in use")
_REJECTED = "OCI runtime"


@contextlib.contextmanager
def given_up(api: Any, container_id: str, *, only_held: bool = False) -> Iterator[None]:
    """Start a container in here: when the engine fails to, it is removed, so that another can take its place.

    Nothing is lost with one that never ran. One that did is kept, as its next start may go well, unless the engine
    holds it for good. What the runtime rejects is passed on as it is, and so is everything else.

    Args:
        api: The SDK's client.
        container_id: Which one.
        only_held: Keep those that never ran, too.

    Raises:
        EngineUnavailable: The engine failed, and the container is gone.
    """
    try:
        yield
    except APIError as error:
        text = str(error.explanation or "no explanation")
        failed = error.status_code is not None and error.status_code >= requests.codes.server_error
        held = _HELD.search(text) is not None
        if not held and (only_held or not failed or _REJECTED in text):
            raise
        if not _removed(api, container_id, held=held):
            raise
        raise EngineUnavailable(f"the Docker engine failed: {text}; another container takes its place") from error


def _removed(api: Any, container_id: str, *, held: bool) -> bool:
    try:
        if not held:
            run = run_of(api.inspect_container(container_id))
            if run.running or run.started_at is not None:
                return False
        api.remove_container(container_id, v=True, force=True)
    except NotFound:
        return True
    except APIError:
        return False  # not now; the next attempt to start it leads here again
    return True

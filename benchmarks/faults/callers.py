"""Who sends requests to the app with ingress: with pauses, so that it stands at zero now and then."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from scaler.testing.http_client import Client

_CALLERS = 3
_PAUSE_S = 0.2
_CALLING_S, _SILENT_S = (2.0, 8.0), (0.0, 8.0)


@contextmanager
def calling(client: Client, *, seed: int) -> Iterator[None]:
    """Let callers come and go while this is entered."""
    over = threading.Event()
    thread = threading.Thread(target=_call, args=(client, seed, over), name="callers")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _call(client: Client, seed: int, over: threading.Event) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same seed makes the same pauses
    while not over.is_set():
        with client.steadily(_CALLERS, pause_s=_PAUSE_S):
            over.wait(chance.uniform(*_CALLING_S))
        over.wait(chance.uniform(*_SILENT_S))

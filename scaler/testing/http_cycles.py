"""An app driven from zero to several replicas and back, again and again, by a client that comes at any moment of it."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from scaler.observability.api_client import ServiceNotReached
from scaler.testing.http_client import Client
from scaler.testing.http_service import HttpService

_LOOK_S = 0.05


@dataclass(slots=True)
class Seen:
    """What became of an app's replicas.

    Attributes:
        cycles: How often it came to have replicas and then none.
        most: Replicas that served at once.
        falls: How often some of several went, and others stayed.
    """

    cycles: int = 0
    most: int = 0
    falls: int = 0
    _last: int = field(default=0, repr=False)

    def look(self, ready: int, replicas: int) -> None:
        """Take what is there now."""
        self.most = max(self.most, ready)
        self.cycles += replicas == 0 < self._last
        self.falls += 0 < replicas < self._last
        self._last = replicas


def drive(service: HttpService, client: Client, app: str, *, cycles: int, seed: int, limit_s: float) -> Seen:
    """Send bursts with pauses between them until so many cycles are over, or the time is.

    Some pauses are long enough for the app to go to zero; most end while it is about to, or on its way.
    """
    seen, over = Seen(), threading.Event()
    watching = threading.Thread(target=_watch, args=(service, app, seen, over), name=f"watch {app}")
    watching.start()
    chance = random.Random(seed)  # noqa: S311 - the same seed makes the same pauses
    deadline = time.monotonic() + limit_s
    try:
        while seen.cycles < cycles and time.monotonic() < deadline:
            client.burst(chance.randint(1, 8), chance.uniform(0.1, 1.0))
            if chance.random() < 0.3:
                # A few go on over connections that all replicas were reached by, while most of these leave.
                with client.steadily(1, pause_s=0.1):
                    time.sleep(chance.uniform(0, 4.0))
            before, patience = seen.cycles, time.monotonic() + chance.choice((0.2, 0.5, 1.0, 30.0))
            while seen.cycles == before and time.monotonic() < min(patience, deadline):
                time.sleep(_LOOK_S)
            time.sleep(chance.uniform(0, 0.2))
    finally:
        over.set()
        watching.join()
    return seen


def _watch(service: HttpService, app: str, seen: Seen, over: threading.Event) -> None:
    while not over.wait(_LOOK_S):
        with suppress(ServiceNotReached):
            view = service.api.workload(app)
            seen.look(view.ready_replicas, len(view.replicas))

"""Runs the demo of the ingress: an app at zero, one request, a load on several replicas, and zero again."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from scaler.demo.burst import DemoFailed
from scaler.observability.api_client import ApiClient
from scaler.testing import http_app
from scaler.testing.http_client import HELD, Client, Kind, Shape, Tally, Target
from scaler.testing.servers.process import free_port
from scaler.testing.service_process import ServiceProcess

MOST_REPLICAS = 5
CLIENTS = 10
TIME_LIMIT_S = 60.0
_APP = "web"
_ENOUGH_REPLICAS = 3
_LOAD_S = 8.0
_POLL_S = 0.1
_PATIENCE_S = 30.0
# Two requests per replica, of up to half a second each; the smallest windows there are, so that it is over soon.
_SCALE = {
    "minReplicas": 0,
    "maxReplicas": MOST_REPLICAS,
    "pollingInterval": 0.5,
    "cooldownPeriod": 3,
    "rules": [{"name": "requests", "custom": {"type": "http", "metadata": {"concurrentRequests": "2", "window": "6"}}}],
}
_SHAPE = Shape(max_body=100_000, max_seconds=0.5)
_KINDS = {Kind.GET: 1.0, Kind.SLOW: 8.0, Kind.POST: 1.0}


@dataclass(slots=True)
class Progress:
    """What the demo has seen so far.

    Attributes:
        tally: The requests that the client made.
        doing: What goes on, in a few words.
        in_flight: Requests in flight, as the service counts them; None before it has counted.
        replicas: Replicas that exist.
        ready: Replicas that serve.
        peak: Most replicas that served at once.
        first_answer_s: From the first request, to an app at zero, to its answer.
        held_s: As long the answer says that it was held; None when it does not say.
        elapsed_s: Since the first request.
        explanation: Why there are as many replicas.
    """

    tally: Tally
    doing: str = "at zero"
    in_flight: float | None = None
    replicas: int = 0
    ready: int = 0
    peak: int = 0
    first_answer_s: float | None = None
    held_s: float | None = None
    elapsed_s: float = 0.0
    explanation: str = ""


class _Watch:
    """Looks at the service and draws what it sees."""

    def __init__(self, show: Callable[[Progress], None], api: ApiClient, client: Client) -> None:
        self.progress = Progress(client.tally)
        self._show = show
        self._api = api
        self._began = time.monotonic()

    def until(self, reached: Callable[[Progress], bool], *, doing: str) -> None:
        """Look until it is so.

        Raises:
            DemoFailed: It takes too long, or a request failed.
        """
        self.progress.doing = doing
        while True:
            self._look()
            self._show(self.progress)
            if reached(self.progress):
                return
            seen = f"{self.progress.replicas} replicas, at most {self.progress.peak} at once\n{self.progress.tally}"
            if self.progress.tally.failure_count:
                raise DemoFailed(f"a request failed, with {seen}")
            if self.progress.elapsed_s > TIME_LIMIT_S:
                raise DemoFailed(f"not finished after {TIME_LIMIT_S:g} s ({doing}): {seen}")
            time.sleep(_POLL_S)

    def _look(self) -> None:
        progress, app = self.progress, self._api.workload(_APP)
        progress.elapsed_s = time.monotonic() - self._began
        progress.replicas = len(app.replicas)
        progress.ready = app.ready_replicas
        progress.peak = max(progress.peak, app.ready_replicas)
        progress.in_flight = app.triggers[0].value
        if app.decision is not None:
            limits = ", ".join(f"{limit.rule} {limit.before} -> {limit.after}" for limit in app.decision.limits)
            progress.explanation = f"{app.decision.reason}{': ' if limits else ''}{limits}"


def run(show: Callable[[Progress], None]) -> Progress:
    """Run the demo, calling `show` whenever something was looked at.

    Raises:
        DemoFailed: A request failed, replicas did not come or go, or it took too long.
    """
    with _served() as (api, target), Client(target, seed=1, shape=_SHAPE, limit_s=_PATIENCE_S) as client:
        watch = _Watch(show, api, client)
        watch.until(lambda seen: seen.replicas == 0, doing="at zero")
        began = time.monotonic()
        try:
            answer = client.ask("GET", "/")
        except (OSError, EOFError) as error:
            raise DemoFailed(f"the first request was not answered: {error!r}") from error
        watch.progress.first_answer_s = time.monotonic() - began
        if HELD in answer.headers:
            watch.progress.held_s = float(answer.headers[HELD]) / 1000
        if answer.status != HTTPStatus.OK:
            raise DemoFailed(f"the first request was answered {answer.status}: {answer.body[:200]!r}")
        watch.until(lambda seen: seen.peak > 0, doing="one request answered")
        with client.steadily(CLIENTS):
            ends_at = time.monotonic() + _LOAD_S
            watch.until(
                lambda seen: seen.peak >= _ENOUGH_REPLICAS and time.monotonic() > ends_at, doing=f"{CLIENTS} clients"
            )
        watch.until(lambda seen: seen.replicas == 0, doing="quiet")
        return watch.progress


@contextmanager
def _served() -> Iterator[tuple[ApiClient, Target]]:
    with tempfile.TemporaryDirectory(prefix="scaler-demo-") as folder:
        port = free_port()
        manifest = http_app.manifest(_APP, scale=_SCALE, grace_s=5)
        service = ServiceProcess(Path(folder), manifest, actuator="process", ingress_port=port)
        with service.running() as api:
            yield api, Target(port, f"{_APP}.localhost", kinds=_KINDS)

"""Runs the demo: a server, the service as a child process, a burst of messages, and a check of what came of it."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from scaler.demo import manifests
from scaler.demo.docker_bridge import DockerBridge
from scaler.observability.api_client import ApiClient
from scaler.observability.views import WorkloadView
from scaler.ports.errors import ScalerError
from scaler.testing.servers.redis import RedisServer
from scaler.testing.service_process import ServiceProcess

MESSAGES = 400
TIME_LIMIT_S = 60.0
_POLL_S = 0.1


class DemoFailed(ScalerError):
    """Something that the demo is to show did not happen."""


@dataclass(slots=True)
class Progress:
    """What the demo has seen so far.

    Attributes:
        sent: Messages put into the queue.
        processed: Messages that a worker finished.
        queued: Messages that wait.
        replicas: Replicas that exist.
        ready: Replicas that serve.
        peak: Most replicas at once.
        first_start_s: From the first message to the start of the first replica.
        elapsed_s: Since the first message.
        explanation: Why there are as many replicas.
    """

    sent: int = 0
    processed: int = 0
    queued: int = 0
    replicas: int = 0
    ready: int = 0
    peak: int = 0
    first_start_s: float | None = None
    elapsed_s: float = 0.0
    explanation: str = ""

    @property
    def finished(self) -> bool:
        """Whether all was processed and all replicas are gone."""
        return self.sent > 0 and self.processed >= self.sent and self.peak > 0 and self.replicas == 0


def run(show: Callable[[Progress], None], *, engine: DockerBridge | None = None) -> Progress:
    """Run the demo, calling `show` whenever something was looked at.

    Args:
        show: Draws the progress.
        engine: Run containers there instead of local processes.

    Raises:
        DemoFailed: A replica did not come, a message was not processed, or it took too long.
    """
    password = secrets.token_hex(16)
    host = engine.gateway if engine else "127.0.0.1"
    user = f"default on >{password} ~* &* +@all"
    with (
        tempfile.TemporaryDirectory(prefix="scaler-demo-") as folder,
        RedisServer.running(users=[user], notifications="KEA", host=host) as server,
        server.client(password=password) as queue,
    ):
        if engine is None:
            actuator, manifest = "process", manifests.process_manifest(host, server.port)
        else:
            actuator, manifest = "docker", manifests.docker_manifest(host, server.port, engine.image)
        environment = {manifests.PASSWORD_VARIABLE: password}
        service = ServiceProcess(Path(folder), manifest, actuator=actuator, env=environment)
        with service.running() as api:
            return _watch(show, queue, api)


def _watch(show: Callable[[Progress], None], queue: Redis, api: ApiClient) -> Progress:
    progress = Progress()
    show(progress)
    sent_at, started = time.time(), time.monotonic()
    queue.rpush(manifests.QUEUE, *(f"message-{number}" for number in range(MESSAGES)))
    progress.sent = MESSAGES
    while not progress.finished:
        progress.elapsed_s = time.monotonic() - started
        if progress.elapsed_s > TIME_LIMIT_S:
            raise DemoFailed(
                f"not finished after {TIME_LIMIT_S:g} s: {progress.processed} of {progress.sent} messages processed,"
                f" {progress.replicas} replicas left"
            )
        _look(progress, queue, api.workload("worker"), sent_at)
        show(progress)
        time.sleep(_POLL_S)
    return progress


def _look(progress: Progress, queue: Redis, worker: WorkloadView, sent_at: float) -> None:
    progress.queued = int(str(queue.llen(manifests.QUEUE)))
    progress.processed = int(queue.get(manifests.DONE) or b"0")
    progress.replicas = len(worker.replicas)
    progress.ready = worker.ready_replicas
    progress.peak = max(progress.peak, worker.current_replicas)
    starts = [replica.started_at for replica in worker.replicas if replica.started_at is not None]
    if progress.first_start_s is None and starts:
        progress.first_start_s = min(starts) - sent_at
    if worker.decision is not None:
        limits = ", ".join(f"{limit.rule} {limit.before} -> {limit.after}" for limit in worker.decision.limits)
        progress.explanation = f"{worker.decision.reason}{': ' if limits else ''}{limits}"

"""What the service shows of itself: metrics, status, history and the page, put together."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, ProcessCollector

from scaler.engine.clock import SystemClock
from scaler.model import Workload
from scaler.observability import api
from scaler.observability.history import History
from scaler.observability.keda_metrics import KedaMetrics
from scaler.observability.live import Live
from scaler.observability.metrics import PrometheusRecorder
from scaler.observability.status import StatusBoard
from scaler.ports.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Views:
    """All that shows what was recorded, and what has to be told for that."""

    registry: CollectorRegistry
    board: StatusBoard
    history: History
    live: Live
    recorders: tuple[Recorder, ...]

    @classmethod
    def over(cls, urls: Callable[[Workload], Sequence[str]], *, keda_metrics: bool) -> Self:
        """Return views that show nothing yet.

        Args:
            urls: Tells where a workload with ingress is reached.
            keda_metrics: Whether metrics have KEDA's names, too.
        """
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        board = StatusBoard(urls)
        history, live = History(SystemClock()), Live(board)
        recorders: list[Recorder] = [PrometheusRecorder(registry), board, history, live]
        if keda_metrics:
            recorders.append(KedaMetrics(registry))
        return cls(registry, board, history, live, tuple(recorders))

    async def serve(self, listener: socket.socket, *, asked: str) -> None:
        """Answer HTTP requests until cancelled.

        Args:
            listener: Where.
            asked: The address as the operator gave it, whose host name is answered, too.
        """
        app = api.make_app(self.board, self.registry, history=self.history, live=self.live, listen=asked)
        await api.Server(app).serve(sockets=[listener])

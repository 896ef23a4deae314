"""The HTTP API: health, metrics and what each workload is doing. Read-only."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Self, TypeVar

import uvicorn
from fastapi import FastAPI, HTTPException, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from scaler.observability.event_stream import EventStream
from scaler.observability.guard import Guard
from scaler.observability.history import History
from scaler.observability.http_protocol import Protocol
from scaler.observability.live import Live
from scaler.observability.page_files import add_page
from scaler.observability.status import StatusBoard
from scaler.observability.views import DecisionList, HistoryView, WorkloadView
from scaler.ports.errors import ConfigError

T = TypeVar("T")

_LAST_PORT = 65535
_TAKES_NOTHING_MS = 30_000
_NO_SUCH: dict[int | str, dict[str, Any]] = {404: {"description": "No such workload"}}


class WorkloadList(BaseModel):
    """All workloads, and what is wrong with the service as a whole.

    `rejected` names what runs as it was before its last edit, which was rejected: `manifests`, or a compose service
    whose labels it was. `lacks_proxy` is true while no proxy serves apps with ingress.
    """

    workloads: list[WorkloadView]
    rejected: list[str] = []
    lacks_proxy: bool = False

    @classmethod
    def of(cls, board: StatusBoard) -> Self:
        """Return what a board shows."""
        views = [view for name in board.names() if (view := board.view(name)) is not None]
        return cls(workloads=views, rejected=board.rejected(), lacks_proxy=board.lacks_proxy())


class Health(BaseModel):
    """Whether the service is up or ready, and what is missing."""

    status: str
    waiting_for: list[str] = []


def make_app(
    board: StatusBoard,
    registry: CollectorRegistry,
    *,
    history: History | None = None,
    live: Live | None = None,
    listen: str = "127.0.0.1:8470",
) -> FastAPI:
    """Return the API over this status and these metrics.

    With a history it tells the past, and with both it has the page. `listen` is the `HOST:PORT` that was
    asked for; see `Guard`.
    """
    app = FastAPI(title="scaler", version=version("event-scaler"), docs_url=None, redoc_url=None)
    app.add_middleware(Guard, listen_host=listen.rpartition(":")[0])

    @app.get("/healthz")
    async def healthz() -> Health:
        """Answer while the service lives."""
        return Health(status="ok")

    @app.get("/readyz", responses={503: {"model": Health}})
    async def readyz(response: Response) -> Health:
        """Answer 200 once every workload has been decided, and a proxy serves what is to be reached."""
        waiting = board.waiting_for()
        if waiting:
            response.status_code = 503
            return Health(status="starting", waiting_for=waiting)
        return Health(status="ready")

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics() -> Response:  # not async: in a thread, so that a scrape of many workloads delays no tick
        """Prometheus metrics."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/workloads")
    async def workloads() -> WorkloadList:
        """List all workloads with their last decision, replicas and triggers."""
        return WorkloadList.of(board)

    @app.get("/v1/workloads/{name}", responses=_NO_SUCH)
    async def workload(name: str) -> WorkloadView:
        """Return one workload."""
        return _found(board.view(name))

    if history is not None:
        _add_history(app, history)
    if history is not None and live is not None:
        add_page(app)

        # Not in the schema: it is made for the page, and may change with it.
        @app.get("/v1/events", include_in_schema=False, response_class=EventStream)
        async def events() -> EventStream:
            return EventStream(live)

    return app


def _add_history(app: FastAPI, history: History) -> None:
    @app.get("/v1/workloads/{name}/history", responses=_NO_SUCH)
    async def hour(name: str) -> HistoryView:
        """Return the last hour of one workload: replicas wanted and ready, and each trigger's value."""
        return _found(history.view(name))

    @app.get("/v1/workloads/{name}/decisions", responses=_NO_SUCH)
    async def decisions(name: str) -> DecisionList:
        """Return the last decisions about one workload that changed something, with their reasons."""
        return _found(history.decisions(name))


def _found(view: T | None) -> T:
    if view is None:
        raise HTTPException(404, "no such workload")
    return view


def bind(address: str) -> socket.socket:
    """Return a listening socket for `HOST:PORT`; port 0 takes a free one.

    Raises:
        ConfigError: The address cannot be used.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or int(port) > _LAST_PORT:
        raise ConfigError(f"the address {address!r} is not HOST:PORT")
    try:
        listener = socket.create_server(
            (host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128
        )
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while ")[0]  # the rest says the address again
        raise ConfigError(f"the API cannot listen on {address}: {why}; choose another with --listen") from error
    # A client that takes nothing keeps what was sent to it in memory: the system drops it, whoever sent it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TAKES_NOTHING_MS)
    return listener


class Server(uvicorn.Server):
    """uvicorn without its signal handling: the service has its own."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=2,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

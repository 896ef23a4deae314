"""A replica that fails its readiness probe gets no more requests, and those that it has go on being counted."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scaler.ingress.load_reports import INTERVAL_S
from scaler.testing import http_app
from scaler.testing.http_client import HELD, Answer, Client
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.polling import eventually

pytestmark = pytest.mark.services


class Health(ThreadingHTTPServer):
    """What a probe is answered."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status = HTTPStatus.OK


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Health)
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Write nothing."""


@pytest.fixture
def health() -> Iterator[Health]:
    with Health() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def manifest(health: Health) -> str:
    app = json.loads(http_app.manifest("app", scale={**QUICK, "maxReplicas": 1, "rules": [rule()]}))
    app["properties"]["template"]["containers"][0]["probes"] = [
        {
            "type": "Readiness",
            "httpGet": {"host": "127.0.0.1", "port": health.server_address[1], "path": "/"},
            "periodSeconds": 1,
            "failureThreshold": 1,
        }
    ]
    return json.dumps(app)


def test_its_requests_are_counted_until_they_end(tmp_path: Path, health: Health) -> None:
    service = HttpService(tmp_path, [manifest(health)])
    with service.running(), Client(service.target("app"), seed=1) as client:
        assert client.ask("GET", "/").status == 200
        # It counts for a moment longer, and is not to be taken for the next.
        eventually(lambda: service.metric("scaler_requests_in_flight", workload="app") == 0, what="none in flight")
        answers: list[Answer] = []

        def ask() -> None:
            # A proxy hears of it a little later.
            while not answers or HELD not in answers[-1].headers:
                answers.append(client.ask("GET", "/"))

        address = ("127.0.0.1", service.ingress_port or 0)
        with closing(socket.create_connection(address, timeout=60)) as long:
            # It lasts until the rest of it comes.
            long.sendall(b"POST /digest HTTP/1.1\r\nhost: app.localhost\r\ncontent-length: 1\r\n\r\n")
            eventually(lambda: service.metric("scaler_requests_in_flight", workload="app") == 1, what="one in flight")
            health.status = HTTPStatus.SERVICE_UNAVAILABLE
            eventually(lambda: service.ready("app") == 0, what="the replica not ready")
            waiting = threading.Thread(target=ask)
            waiting.start()
            try:
                eventually(lambda: service.metric("scaler_requests_held", workload="app") == 1, what="one that waits")
                # Those that came too early count for a moment, too.
                eventually(lambda: service.metric("scaler_requests_in_flight", workload="app") == 1, what="one left")
                time.sleep(4 * INTERVAL_S)  # as many reports
                assert service.metric("scaler_requests_in_flight", workload="app") == 1
            finally:
                health.status = HTTPStatus.OK
                waiting.join()
            long.sendall(b"x")
            assert long.recv(65536).startswith(b"HTTP/1.1 200")
        assert {answer.status for answer in answers} == {200}
        service.wait_for_zero("app")

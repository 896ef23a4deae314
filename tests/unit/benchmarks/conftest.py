"""An API for what looks at a service, which answers what a test says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest


@pytest.fixture
def answered(service: Any) -> Iterator[dict[str, str]]:
    """The service's API, which answers what is put here."""
    texts = {"/v1/workloads": "{}", "/metrics": ""}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = texts[self.path].encode()
            self.send_response(200)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        service.api.address = f"127.0.0.1:{server.server_address[1]}"
        yield texts
        server.shutdown()
        thread.join()

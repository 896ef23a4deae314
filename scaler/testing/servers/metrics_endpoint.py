"""An HTTP service that says what a file tells it to, as a child process: an API with a metric, or an exporter."""

from __future__ import annotations

import base64
import json
import os
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from scaler.testing.servers.process import ServerProcess, server_folder

_READY = "ready"


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered to a GET or POST of one path.

    Attributes:
        body: Text, or bytes.
        status: HTTP status.
        headers: Of the answer.
        needs: Headers that the request must have, else the status is 401.
    """

    body: str | bytes = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)


class MetricsEndpoint(ServerProcess):
    """A service on a loopback address; its pages stay over `stop()` and `start()`."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", tls: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self.host = host
        self._tls = dict(tls or {})
        self._pages: dict[str, Page] = {}
        self._write()

    @classmethod
    @contextmanager
    def running(
        cls, *, host: str = "127.0.0.1", port: int | None = None, tls: Mapping[str, str] | None = None
    ) -> Iterator[Self]:
        """Start a service and stop it on exit.

        Args:
            host: The loopback address to listen on.
            port: The port; None takes a free one.
            tls: Paths of PEM files: `cert`, `key`, and `client_ca` to ask clients for certificates.
        """
        with server_folder("metrics") as folder:
            server = cls(folder, host=host, tls=tls)
            server.port = port or server.port
            with cls._run(server):
                yield server

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    def show(self, path: str, page: Page) -> None:
        """Answer requests of a path with a page from now on; others get 404."""
        self._pages[path] = page
        self._write()

    def requests(self) -> list[dict[str, Any]]:
        """Return what it was asked since its last start: method, path, query, headers and form of each."""
        lines = (self.folder / "requests").read_text().splitlines() if (self.folder / "requests").exists() else []
        return [json.loads(line) for line in lines]

    def command(self) -> Sequence[str]:
        """Return this module as a program."""
        (self.folder / "requests").unlink(missing_ok=True)
        return [sys.executable, "-m", __name__, str(self.folder), self.host, str(self.port), json.dumps(self._tls)]

    def answers(self) -> bool:
        """Whether it listens."""
        return _READY.encode() in self.log.read_bytes()

    def _write(self) -> None:
        pages = {}
        for path, page in self._pages.items():
            body = page.body.encode() if isinstance(page.body, str) else page.body
            pages[path] = {**asdict(page), "body": base64.b64encode(body).decode()}
        fresh = self.folder / "pages.new"
        fresh.write_text(json.dumps(pages))
        # In one step, as it may be reading.
        fresh.rename(self.folder / "pages")


async def _answer(folder: Path, request: web.Request) -> web.Response:
    seen = {
        "method": request.method,
        "path": request.path,
        "query": dict(request.query),
        "headers": dict(request.headers),
        "form": (await request.read()).decode(),
    }
    with (folder / "requests").open("a") as log:
        log.write(json.dumps(seen) + "\n")
    page = json.loads((folder / "pages").read_text()).get(request.path)
    if page is None:
        return web.Response(status=404)
    if any(request.headers.get(name) != value for name, value in page["needs"].items()):
        return web.Response(status=401)
    return web.Response(status=page["status"], body=base64.b64decode(page["body"]), headers=page["headers"])


def _context(tls: Mapping[str, str]) -> ssl.SSLContext | None:
    if not tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls["cert"], tls["key"])
    if "client_ca" in tls:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tls["client_ca"])
    return context


def _tell(*_: object) -> None:
    # aiohttp calls it once it listens.
    os.write(1, _READY.encode())


def _main(folder: Path, host: str, port: int, tls: Mapping[str, str]) -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", lambda request: _answer(folder, request))
    web.run_app(
        app,
        host=host,
        port=port,
        ssl_context=_context(tls),
        access_log=None,
        shutdown_timeout=0.1,
        reuse_port=False,
        print=_tell,
    )


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]))

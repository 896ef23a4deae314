"""The apps of `scaler.testing.http_app` as a server without a scaler: for benchmarks, and tests of the kit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from scaler.testing import http_app
from scaler.testing.polling import accepts
from scaler.testing.servers.process import ServerProcess, server_folder


class HttpAppServer(ServerProcess):
    """One of the apps, on a loopback port."""

    def __init__(self, folder: Path, script: Path) -> None:
        super().__init__(folder)
        self.requests = folder / "requests"
        self._script = script

    @classmethod
    @contextmanager
    def running(cls, script: Path = http_app.PLAIN) -> Iterator[Self]:
        """Start it and stop it on exit."""
        with server_folder("http-app") as folder, cls._run(cls(folder, script)) as server:
            yield server

    def command(self) -> Sequence[str]:
        """See `ServerProcess.command`."""
        environment = (f"PORT={self.port}", f"REQUEST_LOG={self.requests}")
        return ["/usr/bin/env", *environment, *http_app.command(self._script)]

    def answers(self) -> bool:
        """See `ServerProcess.answers`."""
        return accepts(self.host, self.port)

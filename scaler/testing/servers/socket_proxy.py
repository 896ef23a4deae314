"""HAProxy as a filter before a container engine's socket, with a log of all calls."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from scaler.testing.servers.process import ServerProcess, server_folder

_NOT_STARTING = """\
defaults
    mode http
    timeout connect 5s
    timeout client 1d
    timeout server 1d

frontend scaler
    bind "${PROXY_BIND}" mode 600
    acl its_start path_sub CONTAINER/start
    http-request return status 500 content-type application/json string '{"message":"MESSAGE"}' if its_start
    default_backend engine

backend engine
    server docker "unix@${ENGINE_SOCKET}"
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One call that came to an end; those that were refused have the status 403."""

    method: str
    path: str
    status: int


class SocketProxy(ServerProcess):
    """Runs a configuration that takes `PROXY_BIND` and `ENGINE_SOCKET` from its environment.

    It logs method, path and status of each call, separated by blanks.
    """

    def __init__(self, folder: Path, config: Path, engine_url: str) -> None:
        super().__init__(folder)
        self._config = config
        self._engine = engine_url.removeprefix("unix://")

    @classmethod
    @contextmanager
    def running(cls, config: Path, engine_url: str) -> Iterator[Self]:
        """Start one before the engine of a Unix socket and stop it on exit."""
        with server_folder("socket-proxy") as folder, cls._run(cls(folder, config, engine_url)) as server:
            yield server

    @classmethod
    @contextmanager
    def not_starting(cls, engine_url: str, container_id: str, said: str) -> Iterator[Self]:
        """Start one that lets everything through, but answers the start of one container as a failed engine would."""
        with server_folder("socket-proxy") as folder:
            config = folder / "haproxy.cfg"
            config.write_text(_NOT_STARTING.replace("CONTAINER", container_id).replace("MESSAGE", said))
            with cls._run(cls(folder, config, engine_url)) as server:
                yield server

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "docker.sock"

    @property
    def url(self) -> str:
        """The engine's address behind it, as `DOCKER_HOST` has it."""
        return f"unix://{self.socket}"

    def command(self) -> Sequence[str]:
        """See `ServerProcess.command`."""
        places = (f"PROXY_BIND=unix@{self.socket}", f"ENGINE_SOCKET={self._engine}")
        return ["env", *places, "haproxy", "-db", "-f", str(self._config)]

    def answers(self) -> bool:
        """Whether it accepts connections."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def calls(self) -> list[Call]:
        """Return all calls that have ended; an event stream's has when it was closed."""
        lines = (line.split() for line in self.log.read_text(errors="replace").splitlines())
        return [
            Call(words[0], words[1], int(words[2])) for words in lines if len(words) == 3 and words[1].startswith("/")
        ]

"""A real image registry: Debian's docker-registry, also known as distribution."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from scaler.testing.servers.process import ServerProcess, server_folder

# Whom a registry with `login` lets in. The hash is fixed: bcrypt, the only kind it takes, is in no library here.
USERNAME = "puller"
PASSWORD = "open-sesame"  # noqa: S105 - guards test images only
_HTPASSWD = "puller:$2y$05$Nq3vTzKc1mWbXo8RjLdYeu239.H8i.M3ST5OfMR.g0IjxPtiuZTHG"


class RegistryServer(ServerProcess):
    """A registry on a loopback port, which engines use without TLS. What was pushed outlives `stop()`."""

    def __init__(self, folder: Path, *, login: bool = False) -> None:
        super().__init__(folder)
        self._login = login

    @classmethod
    @contextmanager
    def running(cls, *, login: bool = False) -> Iterator[Self]:
        """Start a registry and stop it on exit.

        Args:
            login: Let in nobody but `USERNAME` with `PASSWORD`.
        """
        with server_folder("registry") as folder, cls._run(cls(folder, login=login)) as server:
            yield server

    @property
    def address(self) -> str:
        """host:port, the first part of its images' names."""
        return f"{self.host}:{self.port}"

    def command(self) -> Sequence[str]:
        """Return the program; its settings stand in a file."""
        settings: dict[str, object] = {
            "version": 0.1,
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}},
            "http": {"addr": self.address},
        }
        if self._login:
            users = self.folder / "users"
            users.write_text(f"{_HTPASSWD}\n")
            settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(users)}}
        config = self.folder / "config.yml"
        config.write_text(json.dumps(settings))  # JSON is YAML
        return ["docker-registry", "serve", str(config)]

    def answers(self) -> bool:
        """Whether it accepts connections."""
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def pulls(self, repository: str) -> int:
        """Return how often an engine pulled from a repository since the latest start."""
        return self.log.read_text().count(f'"GET /v2/{repository}/manifests/')

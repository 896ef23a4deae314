"""What really runs: replicas as the system or the engine has them, never as the service tells of them."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests
from docker.errors import APIError, DockerException, NotFound

from benchmarks.faults import estate
from scaler.engine.state_dir import open_unlocked
from scaler.ports.errors import ConfigError
from scaler.testing.servers.docker import DockerServer


class NotSeen(Exception):
    """What runs cannot be seen now."""


@dataclass(frozen=True, slots=True)
class Found:
    """One replica.

    Attributes:
        id: The engine's, or the process's.
        name: Of the replica.
        workload: Whose it is.
        runs: It does.
    """

    id: str
    name: str
    workload: str
    runs: bool = True


class Yard(ABC):
    """Where replicas run, with some that belong to others."""

    @abstractmethod
    def found(self) -> list[Found]:
        """Return all that is marked as the service's, also what has ended.

        Raises:
            NotSeen: The engine does not answer.
        """

    @abstractmethod
    def remove(self, found: Found) -> None:
        """End one by hand, without asking anybody."""

    @abstractmethod
    def strangers(self) -> Sequence[str]:
        """Return what is there of what belongs to others; the same at all times."""

    @abstractmethod
    def close(self) -> None:
        """Take away what belongs to others."""


class Processes(Yard):
    """Local processes, known by the folder that they work in."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = str(state_dir.resolve() / "replicas") + "/"
        marked = {**os.environ, "SCALER_REPLICA": secrets.token_hex(8), "CONTAINER_APP_NAME": "list"}
        command = ["/bin/busybox", "sh", "-c", estate.SLEEPER]
        self._strangers = [
            subprocess.Popen(command, env=env, start_new_session=True) for env in (dict(os.environ), marked)
        ]

    def found(self) -> list[Found]:
        """See `Yard.found`."""
        seen = []
        for name in (folder.name for folder in Path("/proc").iterdir()):
            if not name.isdigit():
                continue
            # One that is not yet what it is to become has another environment.
            with suppress(OSError, psutil.Error, KeyError):
                works_in = str(Path(f"/proc/{name}/cwd").readlink())
                if not works_in.startswith(self._folder) or os.getpgid(int(name)) != int(name):
                    continue
                process = psutil.Process(int(name))
                environment = process.environ()
                if environment and process.status() != psutil.STATUS_ZOMBIE:
                    replica, workload = environment["CONTAINER_APP_REPLICA_NAME"], environment["CONTAINER_APP_NAME"]
                    seen.append(Found(name, replica, workload))
        return seen

    def remove(self, found: Found) -> None:
        """See `Yard.remove`."""
        with suppress(ProcessLookupError):
            os.killpg(int(found.id), signal.SIGKILL)

    def strangers(self) -> Sequence[str]:
        """See `Yard.strangers`."""
        return [str(process.pid) for process in self._strangers if process.poll() is None]

    def close(self) -> None:
        """See `Yard.close`."""
        for process in self._strangers:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Containers(Yard):
    """Containers of one engine, known by their labels."""

    def __init__(self, engine: DockerServer, state_dir: Path) -> None:
        self._engine = engine
        self._state_dir = state_dir
        with engine.client() as client:
            host = client.create_host_config(restart_policy={"Name": "always"})
            for labels in ({}, {"io.scaler.owner": "somebody-else", "io.scaler.workload": "list"}):
                made = client.create_container(estate.IMAGE, labels=labels, host_config=host)
                client.start(made["Id"])

    def found(self) -> list[Found]:
        """See `Yard.found`."""
        owner = self._owner()
        return [
            Found(
                it["Id"],
                it["Labels"].get("io.scaler.replica", it["Names"][0].lstrip("/")),
                it["Labels"]["io.scaler.workload"],
                runs=it["State"] == "running",
            )
            for it in self._listed()
            if it["Labels"].get("io.scaler.owner") == owner
        ]

    def remove(self, found: Found) -> None:
        """See `Yard.remove`."""
        with suppress(NotFound, APIError), self._engine.client() as client:
            client.remove_container(found.id, force=True, v=True)

    def strangers(self) -> Sequence[str]:
        """See `Yard.strangers`."""
        return sorted(it["Id"] for it in self._listed() if it["Labels"].get("io.scaler.owner") != self._owner())

    def close(self) -> None:
        """See `Yard.close`; they go with the engine."""

    def _owner(self) -> str:
        try:
            return open_unlocked(self._state_dir).owner
        except ConfigError as error:
            raise NotSeen(str(error)) from error

    def _listed(self) -> list[dict[str, Any]]:
        try:
            with self._engine.client() as client:
                listed: list[dict[str, Any]] = client.containers(all=True)
        except (DockerException, requests.RequestException) as error:
            raise NotSeen(str(error)) from error
        return listed

"""A server as a child process: started, stopped, frozen and started again on the same port."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Self

from scaler.ports.errors import ScalerError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_POLL_S = 0.01
_PORTS = range(15000, 32000)
_given: set[int] = set()


class ServerNotStarted(ScalerError):
    """The server is not installed, ended at its start, or did not answer in time."""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of a loopback address that nobody listens on now, and that is given to nobody else.

    It is none of those that the system gives to outgoing connections, which could take it before the server does. Nor
    do tests that run in parallel: a server listens seconds later, and one that is stopped comes back to its port.
    """
    # Each process chooses for itself: tests that run in parallel are all seeded alike.
    chance = random.SystemRandom()
    while True:
        port = chance.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            if port in _given:
                continue
            # A byte for each port. The lock goes with this process, which it does not keep from taking it again.
            fcntl.lockf(_reserved(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            _given.add(port)
            probe.bind((host, port))
            return port


@cache
def _reserved() -> int:
    """Return the file of locks, open as long as this process runs: to close it anywhere would free them all."""
    file = Path(tempfile.gettempdir()) / f"scaler-ports-{os.getuid()}"
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


class ServerProcess(ABC):
    """One server with its own port and folder. Its output goes to `log` in that folder."""

    host: str = "127.0.0.1"
    start_timeout_s: ClassVar[float] = START_TIMEOUT_S

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def _run(cls, server: Self) -> Iterator[Self]:
        server.start()
        try:
            yield server
        finally:
            server.stop()

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the program with its arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it is ready, asked again until it is."""

    @property
    def pid(self) -> int:
        """The running process."""
        if self._process is None:
            raise RuntimeError(f"{type(self).__name__} does not run")
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started, and not stopped or killed since."""
        return self._process is not None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            ServerNotStarted: It ended, or does not answer in time; the text holds the end of its log.
        """
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                list(self.command()), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                # A Ctrl-C on the terminal is for who started it, who then stops it in order.
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + self.start_timeout_s
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerNotStarted(
                    f"{self.command()[0]} did not start: {self.log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop it and wait for its end; its port and folder stay. Does nothing when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        # One that is frozen could not end.
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it at once (SIGKILL); its port and folder stay. Does nothing when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def freeze(self) -> None:
        """Let it accept connections and never answer (SIGSTOP)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            # All its threads stand still only some time after the signal.
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def server_folder(prefix: str) -> Iterator[Path]:
    """Lend a folder that goes with its server."""
    with TemporaryDirectory(prefix=f"scaler-{prefix}-") as folder:
        yield Path(folder)

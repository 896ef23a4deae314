"""The engine of another machine over ssh: one `ssh` that carries a socket here to the engine's socket there.

The SDK would start an `ssh` for each connection, or need paramiko; docker's own command needs docker on the other side.
One forwarded socket is one login, carries any number of connections, pulls and event streams alike, and everything
that speaks to a local engine's socket speaks to it.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO
from urllib.parse import unquote

from scaler.actuators.docker.endpoint import Endpoint
from scaler.ports.errors import EngineUnavailable

_REMOTE_SOCKET = "/var/run/docker.sock"
_CONNECT_S = 10
_POLL_S = 0.02
_STOP_S = 5.0
# Those who waited for an attempt that failed do not each make another one.
_SAME_ATTEMPT_S = 1.0
_OPTIONS = (
    "BatchMode=yes",  # nobody is here to answer a question
    "StrictHostKeyChecking=yes",  # whatever the configuration says: who is not known is not trusted
    "ExitOnForwardFailure=yes",
    "StreamLocalBindMask=0177",
    "StreamLocalBindUnlink=yes",
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    f"ConnectTimeout={_CONNECT_S}",
    "ServerAliveInterval=10",  # a machine that is gone is noticed within half a minute
    "ServerAliveCountMax=3",
    "LogLevel=INFO",
)


class Tunnel:
    """Begun when first needed, and again when it broke; its local socket stays the same. For use in threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        path = unquote(endpoint.split.path)
        self._remote = path if path not in {"", "/"} else _REMOTE_SOCKET
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._said = ""
        self._failed: tuple[float, str] | None = None

    @property
    def place(self) -> str:
        """Where the socket is, for a text about it, and what `ssh` said last, if anything."""
        said = self._said
        return f"over ssh, socket {self._remote} on {self._endpoint.split.hostname}" + (f": {said}" if said else "")

    def open(self) -> str:
        """Return the address of the local socket, behind which an `ssh` runs.

        Raises:
            EngineUnavailable: The other machine is not reached, not trusted, or does not let us in.
        """
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="scaler-ssh-"))
            local = self._folder / "docker.sock"
            if self._process is None or self._process.poll() is not None:
                if self._failed is not None and time.monotonic() - self._failed[0] < _SAME_ATTEMPT_S:
                    raise EngineUnavailable(self._failed[1])
                self._begin(local)
            return f"unix://{local}"

    def close(self) -> None:
        """End it."""
        with self._lock:
            self._end()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def _begin(self, local: Path) -> None:
        self._end()
        try:
            process = subprocess.Popen(  # noqa: S603 - a list of arguments, behind `--` where a host follows
                self._command(local),
                # Held open as long as we live: without us, however we ended, `cat` ends there and `ssh` here.
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineUnavailable(f"the Docker engine is not reached over ssh: ssh: {error.strerror}") from error
        self._process = process
        self._said = ""
        listener = threading.Thread(target=self._listen, args=(process.stderr,), name="docker-ssh", daemon=True)
        listener.start()
        deadline = time.monotonic() + 2 * _CONNECT_S
        while not _accepts(local):
            if process.poll() is not None or time.monotonic() > deadline:
                self._end()
                listener.join(_STOP_S)
                text = f"the Docker engine is not reached over ssh: {self._said or 'not in time'}"
                self._failed = (time.monotonic(), text)
                raise EngineUnavailable(text)
            time.sleep(_POLL_S)
        self._failed = None

    def _command(self, local: Path) -> list[str]:
        to = self._endpoint.split
        options = [part for option in _OPTIONS for part in ("-o", option)]
        login = ["-l", unquote(to.username)] if to.username else []
        port = ["-p", str(to.port)] if to.port else []
        return ["ssh", "-T", *options, "-L", f"{local}:{self._remote}", *login, *port, "--", str(to.hostname), "cat"]

    def _listen(self, stderr: IO[bytes]) -> None:
        with stderr:
            for line in stderr:
                if text := line.decode(errors="replace").strip():
                    self._said = text

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True

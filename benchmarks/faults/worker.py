"""A worker that loses no job and does none twice, as long as it may end what it has begun when it gets SIGTERM.

It runs as a script: `python -I -S worker.py`. It moves one id after the other from the list `jobs` to a list of its own
(`doing:NAME`), works, and moves it to `done` in one step. What it finds in its own list when it starts, or after an
outage, it goes on with.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import BinaryIO

_FINISH = "if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 1 then redis.call('RPUSH', KEYS[2], ARGV[1]) end return 1"


class Redis:
    """One connection that speaks just enough."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._socket = socket.create_connection((host, port), timeout=5)
        self._socket.settimeout(60)
        self._answers: BinaryIO = self._socket.makefile("rb")
        self.ask("AUTH", user, password)

    def ask(self, *words: str) -> object:
        """Send a command and return the answer."""
        parts = [f"*{len(words)}\r\n".encode()]
        parts += [f"${len(word.encode())}\r\n{word}\r\n".encode() for word in words]
        self._socket.sendall(b"".join(parts))
        return self._answer()

    def _answer(self) -> object:
        line = self._answers.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server is gone")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise ConnectionError(rest)
        if kind == b"$":
            return None if rest == "-1" else self._answers.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return None if rest == "-1" else [self._answer() for _ in range(int(rest))]
        return rest


def _work(name: str, seconds: float, stopping: list[bool]) -> None:
    address, port = os.environ["REDIS"].rsplit(":", 1)
    redis = Redis(address, int(port), os.environ["REDIS_USER"], os.environ["REDIS_PASSWORD"])
    mine = f"doing:{name}"
    while True:
        begun = redis.ask("LINDEX", mine, "0")
        if begun is None and stopping:
            return
        begun = begun or redis.ask("BLMOVE", "jobs", mine, "LEFT", "RIGHT", "0.5")
        if begun is not None:
            time.sleep(seconds)
            redis.ask("EVAL", _FINISH, "2", mine, "done", str(begun))


def main() -> None:
    """Work until SIGTERM and the end of what was begun, through every outage."""
    stopping: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    while True:
        try:
            return _work(os.environ["CONTAINER_APP_REPLICA_NAME"], float(os.environ.get("WORK_S", "0.05")), stopping)
        except OSError:
            time.sleep(0.2)


if __name__ == "__main__":
    main()

"""Works off a Redis list of how long each piece takes, and notes when it began; for `live`."""

from __future__ import annotations

import os
import signal
import socket
import time


def main() -> None:
    """Pop, note, work, until SIGTERM; what was begun is finished first."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    with (
        socket.create_connection(("127.0.0.1", int(os.environ["REDIS_PORT"]))) as connection,
        connection.makefile("rb") as replies,
    ):

        def ask(command: str) -> bytes:
            connection.sendall(f"{command}\r\n".encode())
            reply = replies.readline()
            return replies.readline().strip() if reply.startswith(b"$") and reply != b"$-1\r\n" else b""

        while not stopping:
            if piece := ask("LPOP jobs").decode():
                number, service_s = piece.split(":")
                ask(f"RPUSH begun {number}:{time.time()}")
                time.sleep(float(service_s))
            else:
                time.sleep(0.05)


main()

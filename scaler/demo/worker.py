"""Works off a Redis list, one message at a time; needs nothing but the standard library, so that it starts at once."""

from __future__ import annotations

import os
import signal
import socket
import time


def main() -> None:
    """Pop, work, count, until SIGTERM; the message in hand is finished first."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    address = os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"])
    with socket.create_connection(address) as connection, connection.makefile("rb") as replies:

        def ask(command: str) -> bytes:
            connection.sendall(f"{command}\r\n".encode())
            reply = replies.readline()
            return replies.readline().strip() if reply.startswith(b"$") and reply != b"$-1\r\n" else b""

        ask(f"AUTH {os.environ['REDIS_PASSWORD']}")
        while not stopping:
            if ask(f"LPOP {os.environ['QUEUE']}"):
                time.sleep(float(os.environ["WORK_SECONDS"]))
                ask(f"INCR {os.environ['DONE']}")
            else:
                time.sleep(0.05)


main()

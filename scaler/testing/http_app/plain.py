"""An app to send requests to: HTTP/1.1 and WebSocket, with threads and little of the library to start at once.

It runs as a script: `python -I -S plain.py`. It listens at `PORT`, on `HOST` (loopback when not given), after
`START_DELAY_S` seconds. A line for each request goes to the file `REQUEST_LOG`, if one is named. SIGTERM ends it once
all that is in flight has been answered.

    /                             its name and how many requests it got, as JSON; any path that is not named here too
    /headers                      the request's headers, a line each
    /echo                         the body, streamed back as it comes: chunked if it came chunked
    /digest                       the SHA-256 and the length of the body
    /slow?seconds=S               after so many seconds
    /stream?chunks=N&interval=S   server-sent events that count from 0
    /status/CODE                  that status
    /ws                           a WebSocket that returns each message
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import struct
import threading
import time
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NoReturn

_BLOCK = 65536
_WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE, _PING, _PONG = 0x8, 0x9, 0xA


class Counts:
    """What all connections share: how many requests came and are in flight, and the connections themselves."""

    def __init__(self) -> None:
        self.name = os.environ.get("CONTAINER_APP_REPLICA_NAME") or f"{socket.gethostname()}-{os.getpid()}"
        self.changed = threading.Condition()
        self.requests = 0
        self.busy = 0
        self.stopping = False
        self.connections: set[Connection] = set()
        log = os.environ.get("REQUEST_LOG")
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if log else None

    def write(self, line: str) -> None:
        """Append a line to the log of requests; short enough that those of several replicas do not mix."""
        if self._log is not None:
            os.write(self._log, f"{self.name} {line}\n".encode())


class Connection:
    """One connection: a request after the other, each answered before the next is read."""

    def __init__(self, client: socket.socket, counts: Counts) -> None:
        self._client = client
        self._counts = counts
        self._input = client.makefile("rb")
        self.busy = False
        self._method = self._path = self._query = ""
        self._headers: list[tuple[str, str]] = []

    def run(self) -> None:
        """Serve it until either side ends it."""
        try:
            with suppress(OSError), self._client, self._input:
                while self._read_head() and self._answer():
                    self._leave()
        finally:
            with self._counts.changed:
                self._leave()
                self._counts.connections.discard(self)
                self._counts.changed.notify_all()

    def end_if_idle(self) -> None:
        """Read no further request; one that has arrived is still answered."""
        if not self.busy:
            with suppress(OSError):
                self._client.shutdown(socket.SHUT_RD)

    def _leave(self) -> None:
        with self._counts.changed:
            if self.busy:
                self.busy = False
                self._counts.busy -= 1

    def _read_head(self) -> bool:
        if self._counts.stopping or not (line := self._input.readline()):
            return False
        with self._counts.changed:
            self.busy = True
            self._counts.busy += 1
            self._counts.requests += 1
        self._method, target, _ = line.decode("latin-1").split(" ", 2)
        self._path, _, self._query = target.partition("?")
        self._headers = []
        while (line := self._input.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            self._headers.append((name.strip().lower(), value.strip()))
        self._counts.write(f"{self._method} {self._path} {self._header('x-request-number') or '-'}")
        return bool(line)

    def _header(self, name: str) -> str | None:
        return next((value for each, value in self._headers if each == name), None)

    def _number(self, name: str, default: float) -> float:
        for pair in self._query.split("&"):
            key, _, value = pair.partition("=")
            if key == name:
                return float(value)
        return default

    def _answer(self) -> bool:
        """Answer the request; return whether the connection can take another one."""
        handlers: dict[str, Callable[[], None]] = {
            "/echo": self._echo, "/stream": self._stream, "/slow": self._slow, "/digest": self._digest,
            "/headers": self._list_headers,
        }  # fmt: skip
        if self._path == "/ws":
            self._websocket()
            return False
        if handler := handlers.get(self._path):
            handler()
        else:
            status = int(self._path.removeprefix("/status/")) if self._path.startswith("/status/") else 200
            self._drop_body()
            counts = self._counts
            text = f'{{"replica": "{counts.name}", "requests": {counts.requests}, "in_flight": {counts.busy}}}\n'
            self._send_whole(text.encode(), status=status, kind="application/json")
        return self._header("connection") != "close" and not self._counts.stopping

    def _body(self) -> Iterator[bytes]:
        if self._header("transfer-encoding") is not None:
            while size := int(self._input.readline().split(b";")[0], 16):
                yield self._exactly(size)
                self._input.readline()
            while self._input.readline() not in (b"\r\n", b""):
                pass
            return
        left = int(self._header("content-length") or 0)
        while left:
            block = self._input.read1(min(left, _BLOCK))
            if not block:
                raise ConnectionError
            left -= len(block)
            yield block

    def _exactly(self, size: int) -> bytes:
        block = self._input.read(size)
        if len(block) < size:
            raise ConnectionError
        return block

    def _drop_body(self) -> None:
        for _ in self._body():
            pass

    def _send_head(self, status: int, *lines: str) -> None:
        head = [f"HTTP/1.1 {status} Answer", f"x-replica: {self._counts.name}", *lines]
        if self._counts.stopping:
            head.append("connection: close")
        self._client.sendall(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))

    def _send_whole(self, body: bytes, *, status: int = 200, kind: str = "text/plain") -> None:
        self._send_head(status, f"content-type: {kind}", f"content-length: {len(body)}")
        if self._method != "HEAD":
            self._client.sendall(body)

    def _send_chunk(self, block: bytes) -> None:
        self._client.sendall(b"%x\r\n%b\r\n" % (len(block), block))

    def _echo(self) -> None:
        chunked = self._header("transfer-encoding") is not None
        size = "transfer-encoding: chunked" if chunked else f"content-length: {self._header('content-length') or 0}"
        self._send_head(200, "content-type: application/octet-stream", size)
        for block in self._body():
            if chunked:
                self._send_chunk(block)
            else:
                self._client.sendall(block)
        if chunked:
            self._send_chunk(b"")

    def _digest(self) -> None:
        digest, length = hashlib.sha256(), 0
        for block in self._body():
            digest.update(block)
            length += len(block)
        self._send_whole(f"{digest.hexdigest()} {length}\n".encode())

    def _slow(self) -> None:
        self._drop_body()
        time.sleep(self._number("seconds", 1.0))
        self._send_whole(f"{self._counts.name}\n".encode())

    def _list_headers(self) -> None:
        self._drop_body()
        self._send_whole("".join(f"{name}: {value}\n" for name, value in self._headers).encode("latin-1"))

    def _stream(self) -> None:
        self._drop_body()
        interval_s = self._number("interval", 0.1)
        self._send_head(200, "content-type: text/event-stream", "transfer-encoding: chunked")
        for number in range(int(self._number("chunks", 10))):
            if number:
                time.sleep(interval_s)
            self._send_chunk(f"data: {number}\n\n".encode())
        self._send_chunk(b"")

    def _websocket(self) -> None:
        key = (self._header("sec-websocket-key") or "").encode() + _WEBSOCKET_KEY
        accept = b2a_base64(hashlib.sha1(key, usedforsecurity=False).digest(), newline=False).decode()
        upgrade = ("upgrade: websocket", "connection: Upgrade", f"sec-websocket-accept: {accept}")
        self._client.sendall(("\r\n".join(("HTTP/1.1 101 Switching", *upgrade)) + "\r\n\r\n").encode())
        while True:
            flags, payload = self._frame()
            code = flags & 0xF
            if code == _PONG:
                continue
            self._send_frame(flags & 0xF0 | (_PONG if code == _PING else code), payload)
            if code == _CLOSE:
                return

    def _frame(self) -> tuple[int, bytes]:
        flags, length = self._exactly(2)
        masked, length = length & 0x80, length & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        mask = self._exactly(4) if masked else bytes(4)
        payload = self._exactly(length)
        pad = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
        return flags, (int.from_bytes(payload, "big") ^ pad).to_bytes(length, "big")

    def _send_frame(self, flags: int, payload: bytes) -> None:
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", flags, length)
        elif length < 65536:
            head = struct.pack("!BBH", flags, 126, length)
        else:
            head = struct.pack("!BBQ", flags, 127, length)
        self._client.sendall(head + payload)


def _accept(listener: socket.socket, counts: Counts) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(client, counts)
        with counts.changed:
            counts.connections.add(connection)
        threading.Thread(target=connection.run, daemon=True).start()


def main() -> NoReturn:
    """Serve until SIGTERM, and then until all is answered."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    threading.stack_size(256 * 1024)
    counts = Counts()
    time.sleep(float(os.environ.get("START_DELAY_S", "0")))
    with socket.create_server(
        (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))), backlog=4096
    ) as listener:
        counts.write("started")
        accepting = threading.Thread(target=_accept, args=(listener, counts))
        accepting.start()
        signal.sigwait(signals)
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
    with counts.changed:
        counts.stopping = True
        for connection in counts.connections:
            connection.end_if_idle()
        counts.changed.wait_for(lambda: not counts.connections)
    counts.write("stopped")
    # The last threads are still about to end, and an interpreter that is taken down under them can crash.
    os._exit(0)


if __name__ == "__main__":
    main()

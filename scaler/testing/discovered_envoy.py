"""A real Envoy that is told what to do by a `Discovery` under test, and raw HTTP to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
from envoy.service.auth.v3 import external_auth_pb2

from scaler.ingress import unary_server
from scaler.ingress.envoy.bootstrap import Bootstrap
from scaler.ingress.envoy.process import executable
from scaler.ingress.holding import METHOD
from scaler.ingress.settings import IngressSettings, Listen
from scaler.ingress.site import Backend, Site
from scaler.ingress.xds.discovery import Discovery
from scaler.ingress.xds.naming import HOLD_SOCKET
from scaler.model import Endpoint, Ingress
from scaler.testing.http_client import Answer
from scaler.testing.observing import eventually
from scaler.testing.servers.process import free_port

Check = Callable[[Any], Awaitable[Any]]


def free_address() -> Listen:
    """Return an address of this machine alone that nobody listens on, nor connects from."""
    host = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"
    return Listen(host, free_port(host))


def site(name: str, *ports: int, hot: bool = True, **ingress: Any) -> Site:
    """Return an external app with replicas on these ports of this machine."""
    backends = tuple(Backend(f"{name}-{port}", Endpoint("127.0.0.1", port)) for port in ports)
    return Site(name, Ingress(**{"target_port": 80, "external": True, **ingress}), backends, hot)


async def let_go(_: Any) -> Any:
    """Release a held request at once."""
    answer = external_auth_pb2.CheckResponse()
    answer.ok_response.SetInParent()
    return answer


@dataclass
class Control:
    """The service's side: its sockets with the discovery under test, and with holds as a test wants them."""

    discovery: Discovery
    path: Path
    check: Check = let_go
    held: list[Any] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Offer the services."""
        server = grpc.aio.server(options=[("grpc.max_concurrent_streams", 100000)])
        self.discovery.register(server)
        server.add_insecure_port(f"unix:{self.path}")
        await server.start()
        self._stack.push_async_callback(server.stop, None)
        await self._stack.enter_async_context(unary_server.serving(self.path.parent, HOLD_SOCKET, METHOD, self._check))

    async def stop(self) -> None:
        """End all calls at once."""
        await self._stack.aclose()

    async def _check(self, message: bytes) -> bytes:
        request = external_auth_pb2.CheckRequest.FromString(message)
        self.held.append(request)
        return bytes((await self.check(request)).SerializeToString())


@asynccontextmanager
async def running(discovery: Discovery, folder: Path, *, check: Check = let_go) -> AsyncIterator[Control]:
    """Offer a discovery over a socket of a folder."""
    control = Control(discovery, folder / "control.sock", check)
    await control.start()
    try:
        yield control
    finally:
        await control.stop()


@asynccontextmanager
async def envoy(folder: Path, *, name: str = "envoy") -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run an Envoy that asks the socket of a folder."""
    config, log = folder / f"{name}.json", folder / f"{name}.log"
    bootstrap = Bootstrap(str(folder / "control.sock"), name, admin_socket=str(folder / f"{name}.admin.sock"))
    config.write_text(json.dumps(bootstrap.as_json()))
    arguments = [
        str(executable()),
        "-c",
        str(config),
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-path",
        str(log),
    ]
    process = subprocess.Popen([*arguments, "-l", "warning"])  # noqa: ASYNC220, S603
    try:
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


async def request(at: Listen, head: str, body: bytes = b"") -> Answer:
    """Send one HTTP/1.1 request as it is written, on a connection of its own, and read the answer to its end."""
    reader, writer = await asyncio.open_connection(at.host, at.port)
    try:
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\nconnection: close\r\n\r\n" + body)
        raw = b""
        # An answer that came before the request was read is followed by a reset.
        with contextlib.suppress(ConnectionResetError):
            # Envoy waits a second for the client to close first.
            while not _ended(raw) and (part := await reader.read(65536)):
                raw += part
    finally:
        writer.close()
    start, _, content = raw.partition(b"\r\n\r\n")
    lines = start.decode("latin-1").split("\r\n")
    headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines[1:])}
    return Answer(int(lines[0].split()[1]) if lines[0] else 0, headers, content)


def _ended(answer: bytes) -> bool:
    """Return whether an answer is all there, by the length that it tells."""
    head, over, content = answer.partition(b"\r\n\r\n")
    length = re.search(rb"\ncontent-length: (\d+)", head, re.IGNORECASE)
    return bool(over) and length is not None and len(content) >= int(length[1])


async def get(at: Listen, host: str, *headers: str, path: str = "/") -> Answer:
    """Ask for a path under a host name."""
    return await request(at, "\n".join((f"GET {path} HTTP/1.1", f"host: {host}", *headers)))


@asynccontextmanager
async def replica(says: str, *, port: int = 0) -> AsyncIterator[int]:
    """Run an HTTP/1.1 server that answers with what it is, and the request's head as it came; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        await reader.readexactly(int(line.split(b":")[1]))
                content = says.encode() + b"\n" + head
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(content), content))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def answers(at: Listen, host: str, status: int = 200) -> Answer:
    """Ask until the answer has a status, and return it."""

    async def ask() -> Answer:
        try:
            return await get(at, host)
        except ConnectionError:
            return Answer(0, {}, b"")

    return await eventually(ask, lambda answer: answer.status == status)


def settings(**given: Any) -> IngressSettings:
    """Return settings with an external listener on a free port."""
    return IngressSettings(**{"external": free_address(), **given})

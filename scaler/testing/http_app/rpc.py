"""An app that speaks gRPC, and nothing else: `Call` returns its message, `Talk` each message of a stream.

It listens at `PORT`, on `HOST` (loopback when not given). Messages are plain bytes. A line for each call goes to the
file `REQUEST_LOG`, if one is named. SIGTERM ends it once all calls have ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator

import grpc
import grpc.aio

SERVICE = "scaler.testing.Echo"
# Whoever cannot wait so long sends SIGKILL.
_LONGEST_CALL_S = 3600.0


class Echo:
    """Says who answers in the initial metadata, and returns what it gets."""

    def __init__(self) -> None:
        self._name = os.environ.get("CONTAINER_APP_REPLICA_NAME") or f"{socket.gethostname()}-{os.getpid()}"
        log = os.environ.get("REQUEST_LOG")
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if log else None

    def write(self, line: str) -> None:
        """Append a line to the log of requests."""
        if self._log is not None:
            os.write(self._log, f"{self._name} {line}\n".encode())

    async def call(self, message: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        """Return the message."""
        await self._begin("Call", context)
        return message

    async def talk(
        self, messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> AsyncIterator[bytes]:
        """Return each message."""
        await self._begin("Talk", context)
        async for message in messages:
            yield message

    async def _begin(self, method: str, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        number = next((value for key, value in context.invocation_metadata() or () if key == "x-request-number"), "-")
        self.write(f"gRPC /{SERVICE}/{method} {number!s}")
        await context.send_initial_metadata((("x-replica", self._name),))


async def serve() -> None:
    """Serve until SIGTERM, and then until all calls have ended."""
    echo = Echo()
    server = grpc.aio.server(options=(("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)))
    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Call": grpc.unary_unary_rpc_method_handler(echo.call),
        "Talk": grpc.stream_stream_rpc_method_handler(echo.talk),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    server.add_insecure_port(f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8080')}")
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    await server.start()
    echo.write("started")
    await stop.wait()
    await server.stop(_LONGEST_CALL_S)
    echo.write("stopped")


if __name__ == "__main__":
    asyncio.run(serve())

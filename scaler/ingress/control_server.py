"""The gRPC server of discovery and load reports, on a Unix socket that only its owner can reach."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio

from scaler.ingress import folder as ingress_folder
from scaler.ports.errors import ConfigError

# Adds a service's methods to the server, such as `functools.partial(add_SomeServicer_to_server, servicer)`.
Register = Callable[[grpc.aio.Server], None]

# Discovery names every app in one request, and load reports name every replica.
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    # A proxy that others configured may ping as often as it likes; by default gRPC hangs up on the third ping.
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    # A proxy that is stopped or stuck is found out after a minute; a killed one at once, by its socket.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 30_000),
    # Nothing to measure on a Unix socket; and windows that grow are memory for each connection.
    ("grpc.http2.bdp_probe", 0),
)


# gRPC's name for what watches over a call, and how long the last of them may take to hear that it is over.
_CALL = "_schedule_rpc_coro"
_LAST_CALLS_S = 2.0


class _Began(logging.Filter):
    """Drops gRPC's records, with tracebacks, of calls that were cancelled before they began: we end as they come."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is kept."""
        return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


_BEGAN = _Began()


@asynccontextmanager
async def serving(
    folder: Path, services: Sequence[Register], *, grace_s: float = 0.0
) -> AsyncIterator[grpc.aio.Server]:
    """Serve these services on `control.sock` in a folder, which is made where needed, for the length of the block.

    A socket that a killed service left there is replaced. The folder's path may be longer than a socket's may be.
    On the way out calls under way are cancelled after `grace_s`; proxies keep what they were told, and connect again.

    Raises:
        ConfigError: The folder or the socket cannot be made.
    """
    # For good: tasks of the server may be cancelled at the very end, when this is left. One filter is added once only.
    logging.getLogger("grpc._cython.cygrpc").addFilter(_BEGAN)
    with ingress_folder.reached(folder) as reached:
        server = grpc.aio.server(options=_OPTIONS)
        for register in services:
            register(server)
        path = reached / ingress_folder.CONTROL_SOCKET
        try:
            server.add_insecure_port(f"unix:{path}")
            path.chmod(0o600)  # until now the folder alone kept others out
        except (RuntimeError, OSError) as error:
            await server.stop(None)
            raise ConfigError(f"the socket {folder / path.name} cannot be made: {error}") from error
        await server.start()
        try:
            yield server
        finally:
            await server.stop(grace_s)
            # A call's end comes from a thread of gRPC's. Whoever ends before cancels it, which gRPC prints as a bug.
            if calls := {task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == _CALL}:
                await asyncio.wait(calls, timeout=_LAST_CALLS_S)

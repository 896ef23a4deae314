"""The socket that proxies connect to: closed to others, of any depth, replaced when a killed service left it."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

import grpc.aio
import pytest

from scaler.ingress import control_server
from scaler.ingress.folder import CONTROL_SOCKET
from scaler.ports.errors import ConfigError
from scaler.testing.leaks import until


class Holding:
    """Answers each call once told to."""

    def __init__(self) -> None:
        self.held = 0
        self.release = asyncio.Event()

    def register(self, server: grpc.aio.Server) -> None:
        method = grpc.unary_unary_rpc_method_handler(self._check)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Holding", {"Check": method}),))

    async def _check(self, request: bytes, _context: object) -> bytes:
        self.held += 1
        try:
            await self.release.wait()
        finally:
            self.held -= 1
        return request


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose path is longer than a socket's may be."""
    return tmp_path / ("deep" * 40) / "ingress"


@pytest.fixture
def target(folder: Path, tmp_path: Path) -> str:
    """The socket, by a path that is short enough for gRPC."""
    (tmp_path / "s").symlink_to(folder)
    return f"unix:{tmp_path}/s/{CONTROL_SOCKET}"


def connected(target: str) -> grpc.aio.Channel:
    """Return a connection that no other call shares."""
    return grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])


async def test_only_its_owner_can_reach_it(folder: Path) -> None:
    async with control_server.serving(folder, []):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / CONTROL_SOCKET).stat().st_mode & 0o777 == 0o600


async def test_the_socket_of_a_killed_service_is_replaced(folder: Path, target: str) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    short = f"/proc/self/cwd/{CONTROL_SOCKET}"
    with socket.socket(socket.AF_UNIX) as stale, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stale.bind(short)
    holding = Holding()
    holding.release.set()
    for _ in range(2):  # and again after an orderly end, which leaves none
        async with control_server.serving(folder, [holding.register]), connected(target) as channel:
            assert folder.stat().st_mode & 0o777 == 0o700
            assert await channel.unary_unary("/test.Holding/Check")(b"here", wait_for_ready=True) == b"here"
        assert not (folder / CONTROL_SOCKET).exists()


async def test_calls_under_way_are_cancelled_at_the_end(folder: Path, target: str) -> None:
    holding = Holding()
    async with connected(target) as channel:
        async with control_server.serving(folder, [holding.register]):
            call = channel.unary_unary("/test.Holding/Check")(b"")
            await until(lambda: holding.held == 1)
        with pytest.raises(grpc.aio.AioRpcError):
            await call
    await until(lambda: holding.held == 0)


async def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be used"):
        async with control_server.serving(tmp_path / "file" / "ingress", []):
            pass
    (tmp_path / "ingress" / CONTROL_SOCKET).mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be made"):
        async with control_server.serving(tmp_path / "ingress", []):
            pass


async def test_a_call_that_was_cancelled_before_it_began_is_not_logged_as_a_bug(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As gRPC logs it when a proxy comes just as the service ends; what is a bug goes on being logged."""
    log = logging.getLogger("grpc._cython.cygrpc")
    async with control_server.serving(folder, []):
        pass
    for error in (asyncio.CancelledError(), ValueError("a bug")):
        log.error("Exception not handled by _handle_exceptions in servicer method [/a/B]", exc_info=error)
    assert [record.exc_info and record.exc_info[0] for record in caplog.records] == [ValueError]

"""How a port is watched."""

from __future__ import annotations

import asyncio
import itertools
import socket

import pytest

from scaler.actuators.port_check import DEFAULT_PACE, accepting, connect, refusing
from scaler.model import Endpoint
from scaler.testing import virtual_time

ENDPOINT = Endpoint("192.0.2.1", 80)


def test_tries_are_close_together_at_first_and_never_far_apart() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        tries: list[float] = []
        failures: list[str] = []

        async def try_once(endpoint: Endpoint, timeout_s: float) -> str:
            assert endpoint == ENDPOINT
            assert 0.1 <= timeout_s <= 5
            tries.append(loop.time())
            return "refused" if loop.time() < 10 else ""

        await accepting(ENDPOINT, failures.append, try_once=try_once)
        waits = [after - before for before, after in itertools.pairwise(tries)]
        assert waits[0] == pytest.approx(0.002)
        assert max(waits) == pytest.approx(0.1)
        assert all(wait == pytest.approx(0.002) for wait in waits[:20])
        assert len(tries) < 200
        assert failures == ["refused"] * (len(tries) - 1)

    virtual_time.run(main())


def test_one_failure_is_none() -> None:
    async def main() -> None:
        answers = iter(["lost", "", "lost", "lost", "", "lost", "lost", "gone"])
        loop = asyncio.get_running_loop()

        async def try_once(endpoint: Endpoint, timeout_s: float) -> str:
            assert (endpoint, timeout_s) == (ENDPOINT, DEFAULT_PACE.timeout_s)
            return next(answers)

        assert await refusing(ENDPOINT, try_once=try_once) == "gone"
        assert loop.time() == 8 * DEFAULT_PACE.period_s

    virtual_time.run(main())


async def test_a_real_port() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        endpoint = Endpoint("127.0.0.1", server.getsockname()[1])
        assert await connect(endpoint, 5) == f"ConnectionRefusedError at port {endpoint.port}"
        server.listen()
        assert await connect(endpoint, 5) == ""


async def test_a_connection_to_itself_is_no_server(unused_tcp_port: int) -> None:
    """A socket bound to the very port that it connects to is connected by Linux, with nobody listening."""
    endpoint = Endpoint("127.0.0.1", unused_tcp_port)
    with socket.socket() as itself:
        itself.bind((endpoint.host, endpoint.port))
        itself.connect((endpoint.host, endpoint.port))
    assert await connect(endpoint, 5) == f"ConnectionRefusedError at port {endpoint.port}"

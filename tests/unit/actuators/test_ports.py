"""Loopback ports of local processes."""

from __future__ import annotations

import socket

import pytest

from scaler.actuators.process import ports
from scaler.ports.errors import EngineUnavailable

CONNECTING = (32_768, 60_999)


def test_a_port_is_none_that_outgoing_connections_get() -> None:
    for _ in range(50):
        assert not CONNECTING[0] <= ports.choose(set(), connecting=CONNECTING) <= CONNECTING[1]


def test_a_port_is_nobody_elses() -> None:
    everything = set(range(65_536))
    taken = everything - {61_234}
    assert ports.choose(taken, connecting=CONNECTING) == 61_234
    with pytest.raises(EngineUnavailable):
        ports.choose(everything, connecting=CONNECTING)


def test_where_connections_get_all_ports_one_of_those_is_taken() -> None:
    assert 20_000 <= ports.choose(set(), connecting=(1024, 65_535)) <= 65_535


def test_a_port_that_somebody_listens_at_is_not_free() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not ports.free(port)
        assert not ports.free(port, reuse=True)
        assert ports.choose(set(range(65_536)) - {port, 61_235}, connecting=CONNECTING) == 61_235


def test_a_connection_that_is_over_keeps_only_those_away_that_do_not_reuse() -> None:
    """The server hung up first, so its side of the connection stays in TIME_WAIT."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server.accept()[0].close()
            assert client.recv(1) == b""
    assert ports.free(port, reuse=True)
    assert not ports.free(port)

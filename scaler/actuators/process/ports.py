"""Loopback ports for processes that share one host."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

from scaler.actuators.runtime import LOCALHOST
from scaler.ports.errors import EngineUnavailable

# Below this the well-known servers listen.
_LOWEST = 20_000
_HIGHEST = 65_535
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def choose(taken: Collection[int], *, connecting: tuple[int, int] | None = None) -> int:
    """Return a port that nobody uses, outside the range that the kernel takes for outgoing connections where possible.

    A replica begins to listen some time after its port was chosen, and again after each restart: until then any
    connection that the machine opens, those to other replicas among them, could be given a port of that range.

    Args:
        taken: Ports that were given to others, whether or not these listen yet.
        connecting: The kernel's range, lowest and highest; None asks the kernel.

    Raises:
        EngineUnavailable: No port is free.
    """
    low, high = connecting or _connecting()
    below, above = range(_LOWEST, min(low, _HIGHEST + 1)), range(max(high + 1, _LOWEST), _HIGHEST + 1)
    for candidates in ((below, above), (range(max(low, _LOWEST), min(high, _HIGHEST) + 1),)):
        count = sum(map(len, candidates))
        # From a random one on, so that services which do not know of each other seldom meet.
        begin = random.randrange(count) if count else 0  # noqa: S311 - no secret
        order: Iterator[int] = itertools.islice(itertools.cycle(itertools.chain(*candidates)), begin, begin + count)
        for port in order:
            if port not in taken and free(port):
                return port
    raise EngineUnavailable("no loopback port is free for another replica")


def free(port: int, *, reuse: bool = False) -> bool:
    """Return whether a server could listen at a loopback port now.

    Args:
        port: The port.
        reuse: It sets SO_REUSEADDR, as most do, so that connections that are over but not forgotten (TIME_WAIT) are
            no obstacle.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
    return True


def _connecting() -> tuple[int, int]:
    try:
        low, high = _RANGE.read_text().split()
    except (OSError, ValueError):
        return 32_768, 60_999  # Linux' default
    return int(low), int(high)

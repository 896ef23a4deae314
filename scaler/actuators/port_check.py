"""Whether the port of a replica accepts connections: what makes an app without a readiness probe ready."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scaler.model import Endpoint


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a port is tried, in seconds.

    While it does not accept, the wait between two tries grows with the time that has passed, so that finding out
    costs a twentieth of a start at most. Once it accepts, the rest is the default readiness of Azure Container Apps.
    """

    first_s: float = 0.002
    slowest_s: float = 0.1
    period_s: float = 5.0
    timeout_s: float = 5.0
    failure_threshold: int = 3

    def wait_s(self, waited_s: float) -> float:
        """Return the wait before the next try of a port that has not accepted for so long."""
        return min(max(self.first_s, waited_s / 20), self.slowest_s)

    def patience_s(self, waited_s: float) -> float:
        """Return how long that try may take: a lost packet must not cost the second of its repetition."""
        return min(max(0.1, waited_s), self.timeout_s)


DEFAULT_PACE = Pace()


async def connect(endpoint: Endpoint, timeout_s: float) -> str:
    """Connect and hang up; return why that failed, or an empty text."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_connect(connection, (endpoint.host, endpoint.port))
            own: object = connection.getsockname()[:2]
    except TimeoutError:
        return f"no answer in time at port {endpoint.port}"
    except OSError as error:
        return f"{type(error).__name__} at port {endpoint.port}"
    if own == (endpoint.host, endpoint.port):
        # Linux connects a socket to itself when it happens to pick the very port that nobody listens at.
        return f"ConnectionRefusedError at port {endpoint.port}"
    return ""


Connect = Callable[[Endpoint, float], Awaitable[str]]


async def accepting(
    endpoint: Endpoint, failed: Callable[[str], None], *, pace: Pace = DEFAULT_PACE, try_once: Connect = connect
) -> None:
    """Return once the endpoint accepts a connection; `failed` is told why it does not, after each try."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while failure := await try_once(endpoint, pace.patience_s(loop.time() - began)):
        failed(failure)
        await asyncio.sleep(pace.wait_s(loop.time() - began))


async def refusing(endpoint: Endpoint, *, pace: Pace = DEFAULT_PACE, try_once: Connect = connect) -> str:
    """Return why an endpoint that accepted does so no more, once that is certain."""
    failures = 0
    while True:
        await asyncio.sleep(pace.period_s)
        failure = await try_once(endpoint, pace.timeout_s)
        failures = failures + 1 if failure else 0
        if failures >= pace.failure_threshold:
            return failure

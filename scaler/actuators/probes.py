"""Startup, readiness and liveness probes over HTTP and TCP, with the meaning they have in Kubernetes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import aiohttp

from scaler.actuators.port_check import Connect, accepting, connect, refusing
from scaler.actuators.runtime import LOCALHOST
from scaler.model import Endpoint, HttpGet, Probe, ProbeKind

# HTTP statuses that pass a probe, as in Kubernetes.
_PASSING = range(200, 400)


@dataclass(frozen=True, slots=True)
class Health:
    """What probes found: `started` gates everything, `ready` serving; `detail` is the last failure."""

    started: bool = False
    ready: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unhealthy:
    """The replica is to be restarted in place, and how long it may take to end."""

    reason: str
    grace_s: float | None


def aimed(probes: Sequence[Probe], target_port: int | None, port: int | None) -> tuple[Probe, ...]:
    """Return the probes with those of the target port aimed at the port that the replica was really given.

    One that names a host of its own is left as it is.
    """
    if port is None or port == target_port:
        return tuple(probes)
    return tuple(
        replace(probe, check=replace(probe.check, port=port))
        if probe.check.port == target_port and probe.check.host in {None, LOCALHOST, "localhost"}
        else probe
        for probe in probes
    )


class Prober:
    """Runs probes; one for all replicas, so that they share one HTTP client.

    Args:
        connect: How it is seen whether a replica's own port accepts connections.
    """

    def __init__(self, connect: Connect = connect) -> None:
        self._connect = connect
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the HTTP client."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def watch(
        self,
        probes: Sequence[Probe],
        address: str | None,
        running_s: float,
        report: Callable[[Health], None],
        port: int | None = None,
    ) -> Unhealthy:
        """Probe until the replica must be restarted, reporting every change of its health.

        Args:
            probes: At most one of each kind.
            address: Where the replica is reached; None for this machine.
            running_s: How long it has run already, which counts towards initial delays.
            report: Called with the health after every check that says something new.
            port: Where requests go, which decides who is ready when no readiness probe does. A readiness probe of that
                port is first asked when it accepts connections, and not a period after a try that came too early.
        """
        loop = asyncio.get_running_loop()
        began = loop.time() - running_s
        by_kind = {probe.kind: probe for probe in probes}
        host = address or LOCALHOST
        if startup := by_kind.get(ProbeKind.STARTUP):
            report(Health())
            failure = await self._until(startup, host, began, lambda _: True)
            if failure:
                return Unhealthy(f"startup probe failed: {failure}", startup.termination_grace_period_s)

        readiness, liveness = by_kind.get(ProbeKind.READINESS), by_kind.get(ProbeKind.LIVENESS)
        endpoint = None if port is None else Endpoint(host, port)
        async with asyncio.TaskGroup() as tasks:
            if readiness:
                asked_at = endpoint if readiness.check.port == port and readiness.check.host is None else None
                following = self._follow_probe(readiness, host, began, report, asked_at)
            else:
                following = self._follow_port(endpoint, report)
            follower = tasks.create_task(following, name="readiness")
            if liveness is None:
                return await loop.create_future()  # type: ignore[no-any-return]  # nothing to die of: until cancelled
            failure = await self._until(liveness, host, began, bool)
            follower.cancel()
        return Unhealthy(f"liveness probe failed: {failure}", liveness.termination_grace_period_s)

    async def _follow_probe(
        self, probe: Probe, host: str, began: float, report: Callable[[Health], None], endpoint: Endpoint | None
    ) -> None:
        """Report what a readiness probe says, which is asked only when the endpoint accepts connections."""

        def follow(failure: str) -> bool:
            detail = failure and f"readiness probe failed: {failure}"
            report(Health(started=True, ready=not failure, detail=detail))
            return False

        if endpoint:
            await accepting(endpoint, lambda failure: report(Health(detail=failure)), try_once=self._connect)
        await self._until(probe, host, began, follow)

    async def _follow_port(self, endpoint: Endpoint | None, report: Callable[[Health], None]) -> None:
        """Report whether an endpoint accepts connections; what has none is ready."""
        started = False

        def failed(failure: str) -> None:
            report(Health(started=started, detail=failure))

        while endpoint:
            await accepting(endpoint, failed, try_once=self._connect)
            started = True
            report(Health(started=True, ready=True))
            failed(await refusing(endpoint, try_once=self._connect))
        report(Health(started=True, ready=True))

    async def _until(self, probe: Probe, host: str, began: float, enough: Callable[[str], bool]) -> str:
        """Check until `enough` says so of a verdict: the failure, or an empty text for success.

        A verdict follows from every check that the probe's thresholds allow one from.
        """
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, probe.initial_delay_s - (loop.time() - began)))
        passed = failed = 0
        while True:
            checked_at = loop.time()
            failure = await self._check(probe, host)
            passed, failed = (0, failed + 1) if failure else (passed + 1, 0)
            certain = failed >= probe.failure_threshold if failure else passed >= probe.success_threshold
            if certain and enough(failure):
                return failure
            await asyncio.sleep(max(0.0, checked_at + probe.period_s - loop.time()))

    async def _check(self, probe: Probe, host: str) -> str:
        """Return why the check failed; empty when it passed."""
        try:
            async with asyncio.timeout(probe.timeout_s):
                if isinstance(probe.check, HttpGet):
                    return await self._get(probe.check, host)
                _, writer = await asyncio.open_connection(probe.check.host or host, probe.check.port)
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
        except TimeoutError:
            return f"no answer within {probe.timeout_s:g} s"
        except (OSError, aiohttp.ClientError) as error:
            return f"{type(error).__name__} at port {probe.check.port}"
        return ""

    async def _get(self, check: HttpGet, host: str) -> str:
        if self._session is None:
            # Certificates of replicas are not checked and redirects not followed: a status from 200 to 399 passes.
            connector = aiohttp.TCPConnector(ssl=False, force_close=True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, headers={"User-Agent": "scaler-probe"})
        url = f"{check.scheme.lower()}://{check.host or host}:{check.port}/{check.path.removeprefix('/')}"
        async with self._session.get(url, headers=list(check.headers), allow_redirects=False) as response:
            return "" if response.status in _PASSING else f"HTTP status {response.status}"

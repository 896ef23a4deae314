"""Keeps one Envoy running: starts it, adopts it from an earlier run, restarts it when it dies, leaves it at the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import structlog

from scaler import processes
from scaler.backoff import Backoff
from scaler.ingress import folder as ingress_folder
from scaler.ingress.envoy import admin, process
from scaler.ingress.envoy.process import EnvoyProcess
from scaler.ingress.settings import IngressSettings, Listen
from scaler.ports.errors import ConfigError

log = structlog.get_logger(__name__)

# Who lived this long did not die of what it was told.
_SETTLED_S = 10.0
_LOG_CHECK_S = 60.0
_READY_POLL_S = 0.02
# Requests that are under way may end, and then it must within the grace.
_DRAIN_S = 10.0
_GRACE_S = 5.0
_DRAIN_POLL_S = 0.05


class EnvoySupervisor:
    """The embedded Envoy of one ingress folder. The state dir's lock keeps a second supervisor away.

    Args:
        folder: The ingress's; see `scaler.ingress.folder`.
        settings: What the ingress was asked for.
        on_died: Called at once when it has ended though nobody told it to.
    """

    def __init__(self, folder: Path, settings: IngressSettings, *, on_died: Callable[[], None]) -> None:
        self._folder = ingress_folder.of_envoy(folder)
        self._settings = settings
        self._on_died = on_died
        self._launch = process.launch(settings.concurrency)
        self._running: EnvoyProcess | None = None

    @property
    def folder(self) -> Path:
        """Envoy's own folder, with its log; see `admin.connected`."""
        return self._folder

    @property
    def pid(self) -> int | None:
        """The running process; None while there is none."""
        return self._running.pid if self._running else None

    def left_behind(self) -> bool:
        """Tell whether the Envoy of an earlier run is there."""
        return process.find(self._folder) is not None

    def check(self) -> None:
        """Find out what would keep it from serving, before anything is started.

        Raises:
            ConfigError: There is no Envoy, or an address cannot be listened on.
        """
        process.executable()
        running = process.find(self._folder)
        ours = _ports(running.pid) if running else set()
        for option, listen in _listens(self._settings):
            if listen.port not in ours:
                _try_to_listen(option, listen)

    async def run(self) -> None:
        """Keep it running until cancelled; it goes on running then.

        Raises:
            ConfigError: It cannot serve; see `check`.
        """
        await asyncio.to_thread(self.check)
        program = process.executable()
        self._running = await self._adopted()
        try:
            await self._keep_running(program)
        finally:
            self._running = None

    async def ready(self) -> None:
        """Return once it serves; that may be never, while nobody tells it what."""
        while True:
            with suppress(admin.EnvoyNotReached):
                async with admin.connected(self._folder) as envoy:
                    if await envoy.is_ready():
                        return
            await asyncio.sleep(_READY_POLL_S)

    async def _adopted(self) -> EnvoyProcess | None:
        running = await asyncio.to_thread(process.find, self._folder)
        if running is None:
            return None
        if running.fingerprint == self._launch.fingerprint:
            log.info("envoy_adopted", pid=running.pid)
            return running
        log.info("envoy_replaced", pid=running.pid, reason="it was started with other options")
        await _end(self._folder, running)
        return None

    async def _keep_running(self, program: Path) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff(first_s=0.2, longest_s=30)
        deaths = 0  # in a row: it did not settle in between
        while True:
            self._running = self._running or self._start(program, quiet=deaths > 0)
            if self._running is not None:
                since = loop.time()
                await self._life(self._running, recovers=deaths > 1)
                how = processes.collect(self._running.pid) or "ended; an earlier run of this service started it"
                self._running = None
                self._on_died()
                if loop.time() - since >= _SETTLED_S:
                    deaths = 0
                    backoff.reset()
                self._report(how, deaths)
            deaths += 1
            if deaths > 1:
                await asyncio.sleep(backoff.next_delay())

    def _start(self, program: Path, *, quiet: bool) -> EnvoyProcess | None:
        try:
            started = process.start(self._folder, program, self._launch)
        except OSError as error:
            if not quiet:
                log.error("envoy_not_started", program=str(program), error=str(error))
            return None
        if not quiet:
            log.info("envoy_started", pid=started.pid)
        return started

    async def _life(self, running: EnvoyProcess, *, recovers: bool) -> None:
        """Return when it has ended; meanwhile keep its log short."""
        if await process.wait(running, timeout_s=_SETTLED_S):
            return
        if recovers:
            log.info("envoy_recovered", pid=running.pid)
        while True:
            await asyncio.to_thread(processes.bound_log, self._folder / process.LOG)
            if await process.wait(running, timeout_s=_LOG_CHECK_S):
                return

    def _report(self, how: str, deaths_before: int) -> None:
        # The first death, and that it goes on; not each of many.
        events = ("envoy_died", "envoy_keeps_dying")
        if deaths_before < len(events):
            log.error(events[deaths_before], how=how, log=process.log_tail(self._folder))


async def stop(folder: Path) -> bool:
    """End the Envoy of an ingress folder, whoever started it; return whether one ran.

    It takes no more connections, gets a while for the requests that it has, and is then told to end, or killed.
    """
    envoy = ingress_folder.of_envoy(folder)
    running = await asyncio.to_thread(process.find, envoy) if envoy.is_dir() else None
    if running is not None:
        await _end(envoy, running)
    process.forget(envoy)
    return running is not None


async def _end(envoy: Path, running: EnvoyProcess) -> None:
    with suppress(admin.EnvoyNotReached, TimeoutError):
        async with asyncio.timeout(_DRAIN_S), admin.connected(envoy) as administration:
            await administration.stop_listening()
            while await administration.requests():  # noqa: ASYNC110 - it is another process, and tells nobody
                await asyncio.sleep(_DRAIN_POLL_S)
    await process.end(running, grace_s=_GRACE_S)


def _listens(settings: IngressSettings) -> Iterator[tuple[str, Listen]]:
    yield "--ingress", settings.external
    if settings.tls is not None:
        yield "--ingress-tls", settings.tls
    for listen in settings.internal:
        yield "--ingress-internal", listen


def _ports(pid: int) -> set[int]:
    """Return the TCP ports on which a process listens."""
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return set()
    return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN and each.laddr}


def _try_to_listen(option: str, listen: Listen) -> None:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        # As Envoy does: connections of an earlier one that linger are no hindrance.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            trial.bind((listen.host, listen.port))
        except OSError as error:
            raise ConfigError(
                f"the ingress cannot listen on {listen}: {error.strerror}; choose another address with {option}"
            ) from error

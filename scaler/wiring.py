"""The only place that constructs concrete classes."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import structlog

from scaler import actuating, labelled, manifests, serving
from scaler.actuators.compose.actuator import ComposeActuator
from scaler.engine import state_dir, systemd
from scaler.engine.actuator_note import ActuatorNote
from scaler.engine.clock import SystemClock
from scaler.engine.connections import SharedConnections
from scaler.engine.garbage import LongLived
from scaler.engine.memory import Memory
from scaler.engine.parts import Parts
from scaler.engine.reload import Configuration, Reloader
from scaler.engine.service import Service
from scaler.engine.signals import Stop, raise_on_signal
from scaler.engine.state_dir import StateDir
from scaler.engine.state_store import SqliteStateStore
from scaler.engine.workload_loop import WorkloadLoop
from scaler.ingress import folder as ingress_folder
from scaler.ingress.envoy import supervisor
from scaler.ingress.settings import IngressSettings
from scaler.internal_listener import InternalListener
from scaler.manifest import Parsed
from scaler.model import Endpoint, Workload
from scaler.observability import api
from scaler.observability.fan_out import FanOut
from scaler.observability.trace import TraceRecorder
from scaler.ports.actuator import Actuator
from scaler.ports.errors import ActuatorError, ConfigError
from scaler.ports.recorder import Recorder
from scaler.ports.scaler import Scaler
from scaler.ports.traffic import Traffic
from scaler.showing import Views
from scaler.supervision import supervise

try:
    import uvloop
except ImportError:  # not on every interpreter and platform
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    new_event_loop = uvloop.new_event_loop

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What `scaler run` was asked for.

    Attributes:
        paths: Manifest files and folders.
        state_dir: The service's memory.
        listen: The API's `HOST:PORT`.
        actuator: `auto`, `docker` or `process`.
        network: The Docker network that containers join; None means the engine's default.
        strict: Warnings about manifests are errors.
        record: File to append a trace of all readings to.
        compose: Services of Docker Compose are scaled as their labels say.
        keda_metrics: KEDA's metrics are served beside the own ones.
        ingress: Where requests come in.
        parsed: What was parsed of the manifests when they were read last.
    """

    paths: tuple[Path, ...]
    state_dir: Path
    listen: str
    actuator: str = "auto"
    network: str | None = None
    strict: bool = False
    record: Path | None = None
    compose: bool = False
    keda_metrics: bool = False
    ingress: IngressSettings = field(default_factory=IngressSettings)
    parsed: Parsed = field(default_factory=Parsed)

    def load(self) -> Configuration:
        """Read what is to run. Raises InvalidManifest."""
        return manifests.load_configuration(
            self.paths,
            strict=self.strict,
            compose=self.compose,
            certificates=self.ingress.certificates,
            parsed=self.parsed,
        )


async def run(settings: Settings) -> None:
    """Run the service until it is told to stop.

    Raises:
        ConfigError: It cannot start as asked.
    """
    with state_dir.open_locked(settings.state_dir) as directory:
        configuration = settings.load()
        kind = await actuating.choose(settings.actuator, directory, network=settings.network)
        with api.bind(settings.listen) as listener:
            await _serve(settings, directory, configuration, kind, listener)


async def down(path: Path) -> int:
    """Stop and remove every replica that a state dir owns, and its Envoy; return how many replicas there were.

    Raises:
        ConfigError: There is no such state dir, or its service is running.
        ActuatorError: The engine does not answer.
    """
    state_dir.open_unlocked(path)
    with state_dir.open_locked(path) as directory:
        # First: requests that are under way still have replicas to answer them.
        await supervisor.stop(ingress_folder.of(directory.path))
        kind = (directory.read_note("actuator") or {}).get("kind")
        if kind is None:
            return 0
        async with actuating.make_actuator(kind, directory, network=None) as actuator:
            owned = await actuator.owned()
            count = sum(map(len, owned.values()))
            try:
                async with asyncio.TaskGroup() as tasks:
                    for name in owned:
                        tasks.create_task(actuator.remove(name), name=f"remove:{name}")
            except* ActuatorError as errors:
                raise errors.exceptions[0] from None  # one outage fails all of them alike
        async with SqliteStateStore(directory.database) as store:
            for name in await store.load():
                await store.forget(name)
        directory.write_note("actuator", {})
        return count


def service_address(path: Path) -> str:
    """Return where the API of the service with this state dir listens.

    Raises:
        ConfigError: No service has run with it.
    """
    note = state_dir.open_unlocked(path).read_note("service")
    if not note:
        raise ConfigError(f"no service runs with the state dir {path}; start one with `scaler run`")
    return str(note["address"])


@asynccontextmanager
async def make_service(
    actuator: Actuator,
    memory: Memory,
    recorder: Recorder,
    *,
    traffic: Callable[[str], Traffic | None] = lambda _: None,
    on_configured: Callable[[], None] = lambda: None,
) -> AsyncIterator[Service]:
    """Lend a service over these, with the installed scalers, shared connections and the system's clock.

    `traffic` gives the requests to a workload, by its name; `on_configured` is called after each change of workloads.
    """
    # A trigger whose scaler is broken is refused with its manifest, and those that nobody uses are not imported.
    scalers = cast("Mapping[str, type[Scaler[Any]]]", manifests.installed_scalers())
    clock = SystemClock()
    long_lived = LongLived()

    async with SharedConnections(recorder.connections_open) as connections:

        def make_loop(workload: Workload) -> WorkloadLoop:
            return WorkloadLoop(
                workload,
                scalers=scalers,
                actuator=actuator,
                connections=connections,
                memory=memory,
                recorder=recorder,
                clock=clock,
                traffic=traffic(workload.name),
            )

        def configured() -> None:
            long_lived.set_aside()
            on_configured()

        yield Service(
            actuator=actuator,
            memory=memory,
            recorder=recorder,
            make_loop=make_loop,
            on_configured=configured,
        )


def run_until_stopped(settings: Settings) -> None:
    """Run the service on the fastest event loop there is.

    Raises:
        ConfigError: It cannot start as asked.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run(settings))


async def _serve(
    settings: Settings, directory: StateDir, configuration: Configuration, kind: str, listener: socket.socket
) -> None:
    # The ingress, made below, completes its settings.
    views = Views.over(lambda workload: serving.urls(workload, ingress.settings), keda_metrics=settings.keda_metrics)
    recorders: list[Recorder] = [*views.recorders, ActuatorNote(directory, kind)]
    async with AsyncExitStack() as stack:
        if settings.record is not None:
            recorders.append(stack.enter_context(TraceRecorder(settings.record)))
        # Local processes share the host's ports: which one apps reach each other at is for the operator to say.
        internal = InternalListener(directory, settings.network) if kind == "docker" else None
        ingress = await stack.enter_async_context(
            await serving.make_ingress(
                settings.ingress, directory, FanOut(*recorders), configuration.workloads, internal=internal
            )
        )
        recorder = FanOut(*recorders, ingress)
        store = await stack.enter_async_context(SqliteStateStore(directory.database))
        memory = Memory(store)
        await memory.load()
        compose = ComposeActuator()
        actuator = await stack.enter_async_context(
            actuating.make_actuator(
                kind,
                directory,
                network=settings.network,
                compose=compose,
                balancer=ingress,
                names=lambda: serving.names_in_containers(ingress),
            )
        )
        configured = asyncio.Event()

        def on_configured() -> None:
            configured.set()
            ingress.renew()

        service = await stack.enter_async_context(
            make_service(actuator, memory, recorder, traffic=ingress.traffic_of, on_configured=on_configured)
        )
        parts = Parts(service.reconfigure, {"manifests": configuration.workloads})
        reloader = Reloader(settings.load, functools.partial(parts.take, "manifests"), recorder)
        labels = labelled.LabelWatch(
            compose, manifests.installed_scalers(), functools.partial(parts.take, "labels"), recorder
        )
        address = str(Endpoint(*listener.getsockname()[:2]))
        directory.write_note("service", {"address": address, "pid": os.getpid()})
        log.info(
            "service_started",
            api=f"http://{address}",
            ingress=str(ingress.settings.external),
            state_dir=str(directory.path),
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(raise_on_signal(reloader.request), name="signals")
                tasks.create_task(views.serve(listener, asked=settings.listen), name="api")
                tasks.create_task(supervise(views.live.run, "live_failed"), name="live")
                tasks.create_task(reloader.run(configuration), name="reload")
                tasks.create_task(supervise(ingress.run, "ingress_failed"), name="ingress")
                introduce = functools.partial(serving.introduce, ingress, actuator.owned, configured)
                tasks.create_task(supervise(introduce, "ingress_failed"), name="introduction")
                if internal is not None:
                    follow = functools.partial(internal.follow, ingress)
                    tasks.create_task(supervise(follow, "ingress_failed"), name="internal-listener")
                tasks.create_task(
                    service.run(configuration.workloads, complete=labels.complete if settings.compose else None),
                    name="service",
                )
                tasks.create_task(systemd.tell_ready(configured, views.board.waiting_for), name="systemd")
                if settings.compose:
                    tasks.create_task(supervise(labels.run, "labels_failed"), name="labels")
        except* Stop:
            log.info("service_stopped", replicas="left running; `scaler down` ends them")
        finally:
            (directory.path / "service.json").unlink(missing_ok=True)

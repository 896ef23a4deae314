"""What a kind of engine must offer so that `ReplicaActuator` can run replicas on it."""

from __future__ import annotations

import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from signal import Signals

from scaler.model import App, Container, Endpoint
from scaler.ports.actuator import Usage
from scaler.ports.errors import ReplicaRejected

# Where units are that have no address of their own.
LOCALHOST = "127.0.0.1"
# What tells a replica where to listen: Azure Container Apps' variable, and the one that most frameworks read.
PORT_VARIABLES = ("CONTAINER_APP_PORT", "PORT")


class UnitState(StrEnum):
    """What the engine itself says about a unit."""

    CREATED = "created"  # exists, was never started
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Unit:
    """One replica as the engine has it (a container, a process), before probes and back-off give it a meaning.

    Attributes:
        id: The engine's identifier; stays when the unit is restarted in place.
        name: What an operator reads.
        created_at: Seconds since the epoch.
        grace_s: Seconds between SIGTERM and SIGKILL.
        stopping: It carries the mark of having been told to stop, which outlives this service.
        started_at: Latest start, seconds since the epoch; None when it never ran.
        ended_at: Latest end; None while it runs, or when unknown.
        address: Where probes reach it; None for this machine.
        detail: How it ended.
        port: Where it is to take requests; None for an app without ingress.
    """

    id: str
    name: str
    workload: str
    revision: str
    state: UnitState
    created_at: float
    grace_s: float
    stopping: bool = False
    started_at: float | None = None
    ended_at: float | None = None
    address: str | None = None
    detail: str = ""
    port: int | None = None

    @property
    def endpoint(self) -> Endpoint | None:
        """Where requests reach it; None while it does not run, and for an app without ingress."""
        if self.port is None or self.state is not UnitState.RUNNING:
            return None
        return Endpoint(self.address or LOCALHOST, self.port)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """All that one replica is made of. The environment holds secrets and is kept from `repr`."""

    name: str
    workload: str
    revision: str
    app: App
    environment: Mapping[str, str] = field(repr=False)

    @property
    def container(self) -> Container:
        """The replica's only container."""
        return self.app.containers[0]

    @property
    def target_port(self) -> int | None:
        """Where the manifest says that replicas listen; None for an app without ingress."""
        return None if self.app.ingress is None else self.app.ingress.target_port

    def environment_at(self, port: int | None) -> dict[str, str]:
        """Return the environment of a replica that is to listen at a port.

        The manifest's own values win, except that one which only repeats the target port means this port.
        """
        environment = dict(self.environment)
        if port is not None:
            for name in PORT_VARIABLES:
                if environment.get(name) in {None, str(self.target_port)}:
                    environment[name] = str(port)
        return environment


def new_name(workload: str, app: App) -> str:
    """Return a name for a new replica, as Azure Container Apps makes them."""
    suffix = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(6))
    return f"{workload}--{app.revision}-{suffix}"


def blueprint(name: str, workload: str, app: App, *, dns_suffix: str) -> Blueprint:
    """Return the blueprint of a replica, with the variables that Azure Container Apps injects.

    The manifest's own variables win over injected ones, and the last of several with one name wins.

    Raises:
        ReplicaRejected: The app has not exactly one container.
    """
    if len(app.containers) != 1:
        raise ReplicaRejected(f"{workload}: {len(app.containers)} containers per replica are not supported yet, only 1")
    revision_name = f"{workload}--{app.revision}"
    environment = {
        "CONTAINER_APP_NAME": workload,
        "CONTAINER_APP_REVISION": revision_name,
        "CONTAINER_APP_HOSTNAME": f"{revision_name}.{dns_suffix}",
        "CONTAINER_APP_ENV_DNS_SUFFIX": dns_suffix,
        "CONTAINER_APP_REPLICA_NAME": name,
    }
    environment.update((var.name, var.value.get_secret_value()) for var in app.containers[0].env)
    return Blueprint(name, workload, app.revision, app, environment)


class Runtime(ABC):
    """A thin layer over one engine, for one owner.

    A call that was cancelled ends only when the engine's answer is known or given up, so that nobody acts on a
    picture that is about to change. All raise EngineUnavailable when the engine does not answer. A unit that is
    gone is no error.
    """

    @abstractmethod
    async def open(self, changed: Callable[[], None], ended: Callable[[str], None]) -> None:
        """Begin to watch, and call back on the event loop.

        Args:
            changed: Called whenever a listing may give another result.
            ended: Called with the id of a unit as soon as its run is known to be over, before any listing shows it.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release everything; units go on running."""

    @abstractmethod
    async def units(self) -> Sequence[Unit]:
        """Return all units of this owner."""

    @abstractmethod
    async def usage(self, unit_ids: Sequence[str]) -> Sequence[Usage]:
        """Return what these units use; one that does not run is left out."""

    @abstractmethod
    async def prepare(self, app: App) -> None:
        """Get what every replica of the app needs, such as its image. May be cancelled at once.

        Raises:
            RegistryUnavailable: It cannot be had now.
            ReplicaRejected: It cannot be had, or the app asks for what this engine cannot do.
        """

    @abstractmethod
    async def create(self, plan: Blueprint) -> str:
        """Make a unit without starting it, and return its id. Raises ReplicaRejected."""

    @abstractmethod
    async def start(self, unit_id: str, plan: Blueprint) -> Unit | None:
        """Start a unit that was created or has ended; one that runs stays as it is. Raises ReplicaRejected.

        Returns:
            The unit as it is right after, so that nobody has to wait for a listing; None when it is gone.
        """

    async def launch(self, plan: Blueprint) -> Unit | None:
        """Create and start; of what is rejected nothing is left. Returns what `start` does. Raises ReplicaRejected."""
        unit_id = await self.create(plan)
        try:
            return await self.start(unit_id, plan)
        except ReplicaRejected:
            await self.remove(unit_id)
            raise

    @abstractmethod
    async def mark_stopping(self, unit_id: str) -> None:
        """Leave the mark that the unit was told to stop."""

    @abstractmethod
    async def signal(self, unit_id: str, signal: Signals) -> None:
        """Send a signal; SIGKILL ends everything that belongs to the unit."""

    @abstractmethod
    async def remove(self, unit_id: str) -> None:
        """Remove a unit and all that was made for it."""

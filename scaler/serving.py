"""The ingress of a service, put together with what runs its replicas."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import structlog

from scaler.actuators.docker.networks import gateway_address
from scaler.backoff import Backoff
from scaler.engine.state_dir import StateDir
from scaler.ingress import folder as ingress_folder
from scaler.ingress import urls as ingress_urls
from scaler.ingress.envoy import process
from scaler.ingress.ingress import Ingress
from scaler.ingress.settings import IngressSettings, Listen
from scaler.model import App, Replica, ReplicaState, Workload
from scaler.model.ingress import DEFAULT_DNS_SUFFIX
from scaler.ports.errors import ActuatorError, ConfigError
from scaler.ports.recorder import Recorder

log = structlog.get_logger(__name__)

# The port that `http://NAME` means, on the gateway of the containers' network.
_HTTP_PORT = 80
# So long is waited until it is known which of the replicas of an earlier run serve.
_ADOPTION_S = 2.0
_ADOPTION_POLL_S = 0.02

Owned: TypeAlias = Callable[[], Awaitable[Mapping[str, Sequence[Replica]]]]
Gateway: TypeAlias = Callable[[str | None], Awaitable[str]]

_HINT = "apps do not reach each other by name; name an address with --ingress-internal"


async def make_ingress(
    settings: IngressSettings,
    directory: StateDir,
    recorder: Recorder,
    workloads: Sequence[Workload],
    *,
    kind: str,
    network: str | None,
    gateway: Gateway = gateway_address,
) -> Ingress:
    """Return the ingress of a service with these first workloads, checked where one of them needs it.

    Args:
        settings: What was asked for.
        directory: The state dir.
        recorder: Is told what becomes of requests.
        workloads: The first configuration.
        kind: What runs replicas.
        network: The Docker network that containers join; None is the engine's default.
        gateway: Returns the host's address in a network.

    Raises:
        ConfigError: An address cannot be listened on, or there is no Envoy.
    """
    folder = ingress_folder.of(directory.path)
    if kind == "docker" and not settings.internal:
        # Local processes share the host's ports: which one is for the operator to say.
        settings = replace(settings, internal=await _internal(settings, directory, network, gateway))
    directory.write_note("ingress", {"internal": [[listen.host, listen.port] for listen in settings.internal]})
    ingress = Ingress(settings, folder, recorder)
    if any(isinstance(each.target, App) and each.target.ingress is not None for each in workloads):
        await asyncio.to_thread(ingress.check)
    return ingress


def urls(workload: Workload, settings: IngressSettings) -> Sequence[str]:
    """Return where a workload is reached; none where it has no ingress."""
    target = workload.target
    if not isinstance(target, App) or target.ingress is None:
        return ()
    return ingress_urls.of(workload.name, target.ingress, settings)


def names_in_containers(ingress: Ingress) -> Mapping[str, str]:
    """Return the host names by which containers reach apps, with the address of the internal listener.

    Not those under `localhost`, which are a container's own.
    """
    addresses = (listen.host for listen in ingress.settings.internal)
    host = next((address for address in addresses if not ipaddress.ip_address(address).is_loopback), None)
    if host is None:
        return {}
    return dict.fromkeys((name for app in ingress.apps for name in (app, f"{app}.{DEFAULT_DNS_SUFFIX}")), host)


async def introduce(ingress: Ingress, owned: Owned, configured: asyncio.Event) -> None:
    """Have the ingress begin once all apps were added and all replicas that exist were served as they are.

    Until then proxies go on with what an earlier run told them.

    Args:
        ingress: What is to begin.
        owned: Returns all replicas by workload; see `Actuator.owned`.
        configured: Is set once all apps were added.
    """
    began = time.time()
    await configured.wait()
    backoff = Backoff(first_s=0.1, longest_s=5)
    deadline: float | None = None
    while True:
        try:
            found = await owned()
        except ActuatorError as error:
            log.debug("owned_replicas_not_read", error=str(error))
            await asyncio.sleep(backoff.next_delay())
            continue
        now = asyncio.get_running_loop().time()
        deadline = deadline or now + _ADOPTION_S
        if now >= deadline or not any(_unjudged(each, began) for name in ingress.apps for each in found.get(name, ())):
            break
        await asyncio.sleep(_ADOPTION_POLL_S)
    ingress.begin()


def _unjudged(replica: Replica, began: float) -> bool:
    """Return whether a replica ran before, and may have requests, but no probe has found out yet whether it serves."""
    ran = replica.started_at is not None and replica.started_at < began
    return ran and replica.state is ReplicaState.STARTING


async def _internal(
    settings: IngressSettings, directory: StateDir, network: str | None, gateway: Gateway
) -> tuple[Listen, ...]:
    """Return where apps reach each other: at the gateway, where that is free or the last run's Envoy listens there."""
    before = _listened(directory, external_envoy=settings.external_envoy)
    try:
        listen = Listen(await gateway(network), _HTTP_PORT)
    except (ActuatorError, ConfigError) as error:
        if before:
            return before
        log.warning("internal_ingress_off", error=str(error), hint=_HINT)
        return ()
    if listen in before:
        return (listen,)
    try:
        with socket.create_server((listen.host, listen.port)):
            return (listen,)
    except OSError as error:
        log.warning("internal_ingress_off", address=str(listen), error=error.strerror, hint=_HINT)
        return ()


def _listened(directory: StateDir, *, external_envoy: bool) -> tuple[Listen, ...]:
    """Return where the last run had apps reach each other, if its Envoy may be listening there."""
    if not external_envoy and process.find(ingress_folder.of_envoy(ingress_folder.of(directory.path))) is None:
        return ()
    note = directory.read_note("ingress") or {}
    return tuple(Listen(str(host), int(port)) for host, port in note.get("internal", ()))

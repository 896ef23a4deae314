"""The ingress of a service, put together with what runs its replicas."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from scaler.actuators.docker.networks import gateway_address
from scaler.backoff import Backoff
from scaler.engine.state_dir import StateDir
from scaler.ingress import folder as ingress_folder
from scaler.ingress import urls as ingress_urls
from scaler.ingress.envoy import process
from scaler.ingress.ingress import Ingress
from scaler.ingress.settings import IngressSettings, Listen
from scaler.model import App, Workload
from scaler.ports.actuator import Actuator
from scaler.ports.errors import ActuatorError, ConfigError
from scaler.ports.recorder import Recorder

log = structlog.get_logger(__name__)

# The port that `http://NAME` means, on the gateway of the containers' network.
_HTTP_PORT = 80
_HINT = "apps do not reach each other by name; name an address with --ingress-internal"


async def make_ingress(
    settings: IngressSettings,
    directory: StateDir,
    recorder: Recorder,
    workloads: Sequence[Workload],
    *,
    kind: str,
    network: str | None,
) -> Ingress:
    """Return the ingress of a service with these first workloads, checked where one of them needs it.

    Args:
        settings: What was asked for.
        directory: The state dir.
        recorder: Is told what becomes of requests.
        workloads: The first configuration.
        kind: What runs replicas.
        network: The Docker network that containers join; None is the engine's default.

    Raises:
        ConfigError: An address cannot be listened on, or there is no Envoy.
    """
    folder = ingress_folder.of(directory.path)
    if not settings.internal:
        settings = replace(settings, internal=await _internal(directory, kind, network))
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
    """Return the host names by which containers reach apps, with the address of the internal listener."""
    host = next((listen.host for listen in ingress.settings.internal if not listen.host.startswith("127.")), None)
    return {} if host is None else dict.fromkeys(ingress.apps, host)


async def introduce(ingress: Ingress, actuator: Actuator, configured: asyncio.Event) -> None:
    """Have the ingress begin once all apps were added and all replicas that exist were served.

    Until then proxies go on with what an earlier run told them.
    """
    await configured.wait()
    backoff = Backoff(first_s=0.1, longest_s=5)
    while True:
        try:
            await actuator.owned()
            break
        except ActuatorError as error:
            log.debug("owned_replicas_not_read", error=str(error))
            await asyncio.sleep(backoff.next_delay())
    ingress.begin()


async def _internal(directory: StateDir, kind: str, network: str | None) -> tuple[Listen, ...]:
    """Return where apps reach each other: as the last run had it while its Envoy lives, else what is free."""
    if process.find(ingress_folder.of_envoy(ingress_folder.of(directory.path))) is not None:
        note = directory.read_note("ingress") or {}
        return tuple(Listen(str(host), int(port)) for host, port in note.get("internal", ()))
    if kind != "docker":
        return ()  # local processes share the host's ports: which one is for the operator to say
    try:
        listen = Listen(await gateway_address(network), _HTTP_PORT)
    except (ActuatorError, ConfigError) as error:
        log.warning("internal_ingress_off", error=str(error), hint=_HINT)
        return ()
    try:
        with socket.create_server((listen.host, listen.port)):
            return (listen,)
    except OSError as error:
        log.warning("internal_ingress_off", address=str(listen), error=error.strerror, hint=_HINT)
        return ()

"""The ingress of a service, put together with what runs its replicas."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import structlog

from scaler.backoff import Backoff
from scaler.engine.state_dir import StateDir
from scaler.ingress import folder as ingress_folder
from scaler.ingress import urls as ingress_urls
from scaler.ingress.ingress import Ingress
from scaler.ingress.settings import IngressSettings
from scaler.internal_listener import InternalListener
from scaler.model import App, Replica, ReplicaState, Workload
from scaler.model.ingress import DEFAULT_DNS_SUFFIX
from scaler.ports.errors import ActuatorError
from scaler.ports.recorder import Recorder

log = structlog.get_logger(__name__)

# So long is waited until it is known which of the replicas of an earlier run serve.
_ADOPTION_S = 2.0
_ADOPTION_POLL_S = 0.02

Owned: TypeAlias = Callable[[], Awaitable[Mapping[str, Sequence[Replica]]]]


async def make_ingress(
    settings: IngressSettings,
    directory: StateDir,
    recorder: Recorder,
    workloads: Sequence[Workload],
    *,
    internal: InternalListener | None,
) -> Ingress:
    """Return the ingress of a service with these first workloads, checked where one of them needs it.

    Args:
        settings: What was asked for.
        directory: The state dir.
        recorder: Is told what becomes of requests.
        workloads: The first configuration.
        internal: Finds where apps reach each other when that was not asked for; None where nobody looks for it.

    Raises:
        ConfigError: An address cannot be listened on, or there is no Envoy.
    """
    folder = ingress_folder.of(directory.path)
    needed = any(isinstance(each.target, App) and each.target.ingress is not None for each in workloads)
    if internal is not None and not settings.internal:
        found = internal.before(external_envoy=settings.external_envoy)
        # At once, not later: containers are told names when they are created.
        settings = replace(settings, internal=await internal.try_to_find(found) if needed else found)
    if internal is not None:
        internal.remember(settings.internal)
    ingress = Ingress(settings, folder, recorder)
    if needed:
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

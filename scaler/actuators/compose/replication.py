"""From an inspected container of a service to the settings of one more, as compose itself would make it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scaler.actuators.compose.containers import NUMBER, ServiceContainer

# How the engine names volumes that nobody named.
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_SHORT_ID = 12
# Which container a recreated one replaces; a new replica replaces none.
_REPLACES = "com.docker.compose.replace"


@dataclass(frozen=True, slots=True)
class Copy:
    """One more container.

    Attributes:
        name: As compose would name it.
        body: What the engine's call to create it takes; it holds the environment, so secrets.
        networks: Further networks to connect it to before its start, and how; engines before API 1.44 take only one
            in the call itself.
    """

    name: str
    body: Mapping[str, Any] = field(repr=False)
    networks: Mapping[str, Mapping[str, Any]]


def why_single(definition: ServiceContainer) -> str:
    """Return why a service cannot have a second replica; empty when it can."""
    return ", ".join(_reasons(definition))


def _reasons(definition: ServiceContainer) -> Iterator[str]:
    config, host = definition.inspected["Config"], definition.inspected["HostConfig"]
    if definition.numbered_name is None:
        yield f"container_name {definition.name}"
    for port, bindings in sorted((host.get("PortBindings") or {}).items()):
        fixed = [each["HostPort"] for each in bindings or [] if each.get("HostPort", "").strip("0").isdecimal()]
        if fixed:
            yield f"the fixed host port {fixed[0]} for {port}"
    for network, endpoint in sorted(_endpoints(definition).items()):
        addresses = endpoint.get("IPAMConfig") or {}
        if addresses.get("IPv4Address") or addresses.get("IPv6Address"):
            yield f"a fixed address in network {network}"
    if config.get("MacAddress"):
        yield "a fixed mac_address"


def copy_of(definition: ServiceContainer, number: int, image: str) -> Copy:
    """Return a replica's settings: those of `definition`, with a name, a number and volumes of its own."""
    named = definition.numbered_name
    separator = named[1] if named else "-"
    name = f"{definition.service.project}{separator}{definition.service.service}{separator}{number}"
    body = dict(definition.inspected["Config"])
    host = dict(definition.inspected["HostConfig"])
    for key in ("MacAddress", "OnBuild"):
        body.pop(key, None)
    body["Image"] = image
    body["Labels"] = {
        **{key: value for key, value in body["Labels"].items() if key != _REPLACES},
        NUMBER: str(number),
    }
    host.pop("ContainerIDFile", None)
    _renew_volumes(body, host)
    host["Links"] = [_link(text) for text in host.get("Links") or ()] or None
    mode = str(host.get("NetworkMode", ""))
    if mode.startswith("container:"):
        for key in ("Hostname", "Domainname", "ExposedPorts"):
            body.pop(key, None)
    elif mode == "host" or body.get("Hostname") == definition.id[:_SHORT_ID]:
        body.pop("Hostname", None)
    networks = {key: _endpoint(definition, each, name) for key, each in _endpoints(definition).items()}
    if mode in networks:
        first = networks.pop(mode)
        body["NetworkingConfig"] = {"EndpointsConfig": {mode: first}} if first else {}
    body["HostConfig"] = host
    return Copy(name, body, {} if mode in {"host", "none"} else networks)


def free_numbers(containers: Sequence[ServiceContainer]) -> Iterator[int]:
    """Return the numbers that a service's next copies may have, the lowest first."""
    taken = {each.number for each in containers}
    return (number for number in itertools.count(1) if number not in taken)


def is_whole(container: ServiceContainer, definition: ServiceContainer) -> bool:
    """Return whether it is connected to all networks; one that was being made when this service ended may not be."""
    return container.state != "created" or (
        container.config_hash != definition.config_hash or _endpoints(container).keys() >= _endpoints(definition).keys()
    )


def _endpoints(container: ServiceContainer) -> dict[str, dict[str, Any]]:
    return (container.inspected.get("NetworkSettings") or {}).get("Networks") or {}


def _endpoint(definition: ServiceContainer, endpoint: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return how a copy joins a network: under the same aliases, but for those that mean one container."""
    own = {definition.id, definition.id[:_SHORT_ID]}
    aliases = [
        name if alias == definition.name else alias for alias in endpoint.get("Aliases") or () if alias not in own
    ]
    kept = {key: endpoint[key] for key in ("Links", "DriverOpts", "GwPriority") if endpoint.get(key)}
    return kept | ({"Aliases": aliases} if aliases else {})


def _renew_volumes(body: dict[str, Any], host: dict[str, Any]) -> None:
    """Give each copy anonymous volumes of its own; compose names those that a replaced container had."""
    binds, volumes = [], dict(body.get("Volumes") or {})
    for bind in host.get("Binds") or ():
        source, target = bind.split(":")[:2]
        if _ANONYMOUS.fullmatch(source):
            volumes[target] = {}
        else:
            binds.append(bind)
    body["Volumes"], host["Binds"] = volumes or None, binds or None
    if host.get("Mounts"):
        host["Mounts"] = [
            {key: value for key, value in mount.items() if key != "Source"}
            if _ANONYMOUS.fullmatch(mount.get("Source", ""))
            else mount
            for mount in host["Mounts"]
        ]


def _link(text: str) -> str:
    """Return a link as it is asked for: the engine shows `/cache_1:/worker_1/alias` for `cache_1:alias`."""
    source, _, alias = text.partition(":")
    return f"{source.removeprefix('/')}:{alias.rpartition('/')[2]}"

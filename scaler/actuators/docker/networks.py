"""Where the engine's host is reached from within a network: what listens there serves the containers of the network."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import psutil
from docker.errors import NotFound

from scaler.actuators.docker.client import EngineClient
from scaler.ports.errors import ConfigError

# The network of containers that name none.
DEFAULT_NETWORK = "bridge"


async def gateway_address(network: str | None = None, *, base_url: str | None = None, timeout_s: float = 10.0) -> str:
    """Return the IPv4 address that the engine's host has in a network.

    Args:
        network: Its name or id; None is the engine's default bridge.
        base_url: The engine's address; None takes `DOCKER_HOST` and its companions.
        timeout_s: Deadline of the call.

    Raises:
        EngineUnavailable: The engine does not answer.
        ConfigError: There is no such network, the host has no address in it, or the engine is on another machine.
    """
    name = network or DEFAULT_NETWORK

    def inspect(api: Any) -> Mapping[str, Any] | None:
        try:
            return dict(api.inspect_network(name))
        except NotFound:
            return None

    client = EngineClient(base_url, threads=1, timeout_s=timeout_s)
    try:
        if not client.endpoint().here:
            raise ConfigError("the Docker engine is on another machine")
        inspected = await client.call(inspect)
    finally:
        client.close()
    if inspected is None:
        raise ConfigError(f"there is no Docker network {name!r}")
    address = gateway_of(inspected)
    if address is None:
        raise ConfigError(f"this machine has no address in the Docker network {name!r} ({inspected.get('Driver')})")
    return address


def gateway_of(inspected: Mapping[str, Any]) -> str | None:
    """Return the host's IPv4 address from a network's inspection, and from its bridge where the engine tells none."""
    if inspected.get("Driver") != "bridge":
        return None
    for pool in (inspected.get("IPAM") or {}).get("Config") or []:
        gateway = str(pool.get("Gateway") or "")
        if "." in gateway:
            return gateway
    options = inspected.get("Options") or {}
    bridge = options.get("com.docker.network.bridge.name") or f"br-{str(inspected.get('Id', ''))[:12]}"
    addresses = psutil.net_if_addrs().get(bridge, [])
    return next((each.address for each in addresses if each.family == socket.AF_INET), None)

"""The address of the engine's host in a network, from what the engine says of it."""

from __future__ import annotations

from typing import Any

import pytest

from scaler.actuators.docker.networks import gateway_of


def network(*pools: dict[str, str], driver: str = "bridge", bridge: str = "") -> dict[str, Any]:
    options = {"com.docker.network.bridge.name": bridge} if bridge else {}
    return {"Id": "ab" * 32, "Driver": driver, "IPAM": {"Config": list(pools)}, "Options": options}


@pytest.mark.parametrize(
    ("inspected", "address"),
    [
        (network({"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}), "172.18.0.1"),
        (network({"Subnet": "fd00::/64", "Gateway": "fd00::1"}, {"Gateway": "10.1.0.1"}), "10.1.0.1"),
        (network({"Subnet": "127.0.0.0/8"}, bridge="lo"), "127.0.0.1"),
        (network(bridge="no-such-bridge"), None),
        (network(), None),
        ({"Id": "1", "Driver": "bridge", "IPAM": {"Config": None}, "Options": None}, None),
        (network({"Gateway": "172.18.0.1"}, driver="overlay"), None),
    ],
)
def test_the_gateway(inspected: dict[str, Any], address: str | None) -> None:
    assert gateway_of(inspected) == address

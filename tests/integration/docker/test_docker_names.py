"""Containers that take requests, and the names by which they reach others."""

from __future__ import annotations

import uuid
from dataclasses import replace

import docker
import pytest

from scaler.actuators.docker.actuator import DockerActuator
from scaler.actuators.docker.networks import gateway_address
from scaler.model import App, Container, Endpoint, Ingress, ReplicaState
from scaler.ports.errors import ConfigError
from scaler.testing.load_balancer import FakeLoadBalancer
from scaler.testing.observing import eventually, states, workload
from scaler.testing.servers.docker import DockerServer

pytestmark = pytest.mark.services

WEB = App(
    (Container("web", "scaler-test-http"),), termination_grace_period_s=2.0, ingress=Ingress(8080), revision_suffix="v1"
)
READY = [ReplicaState.READY]


@pytest.fixture
def owner() -> str:
    return uuid.uuid4().hex[:8]


def inside(api: docker.APIClient, container: str, script: str) -> str:
    started = api.exec_create(container, ["sh", "-c", script])
    return api.exec_start(started["Id"]).decode().strip()


async def test_names_of_other_apps_are_known_in_a_container(
    docker_server: DockerServer, api: docker.APIClient, owner: str
) -> None:
    """The names as they are when it is created; what listens at the host's address there is reached."""
    names: dict[str, str] = {}
    target = workload(WEB, "web")
    async with DockerActuator(owner, base_url=docker_server.base_url, names=lambda: names) as actuator:
        names["api"] = await gateway_address(base_url=docker_server.base_url)
        await actuator.apply(target, 1)
        (replica,) = await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == READY)
        assert f"{names['api']}\tapi" in inside(api, replica.id, "cat /etc/hosts")
        assert inside(api, replica.id, "ping -c 1 -W 5 api > /dev/null && echo reached") == "reached"
        await actuator.remove("web")


async def test_in_a_network_of_its_own(docker_server: DockerServer, api: docker.APIClient, owner: str) -> None:
    """The endpoint is the container's address there, and the gateway that of the network."""
    pool = docker.types.IPAMPool(subnet="10.214.77.0/24")
    network = api.create_network(f"net-{owner}", ipam=docker.types.IPAMConfig(pool_configs=[pool]))["Id"]
    target = workload(WEB, "web")
    balancer = FakeLoadBalancer()
    assert await gateway_address(f"net-{owner}", base_url=docker_server.base_url) == "10.214.77.1"
    async with DockerActuator(
        owner, base_url=docker_server.base_url, network=f"net-{owner}", balancer=balancer
    ) as actuator:
        await actuator.apply(target, 1)
        await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == READY)
        assert balancer.ready("web")[0].endpoint == Endpoint("10.214.77.2", 8080)
        await actuator.remove("web")
    api.remove_network(network)


async def test_a_network_that_is_not_there(docker_server: DockerServer) -> None:
    with pytest.raises(ConfigError, match="no-such-network"):
        await gateway_address("no-such-network", base_url=docker_server.base_url)
    with pytest.raises(ConfigError, match="host"):
        await gateway_address("host", base_url=docker_server.base_url)


async def test_containers_are_told_their_port(docker_server: DockerServer, api: docker.APIClient, owner: str) -> None:
    target = workload(WEB, "web")
    async with DockerActuator(owner, base_url=docker_server.base_url) as actuator:
        await actuator.apply(target, 1)
        (replica,) = await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == READY)
        assert inside(api, replica.id, "echo $PORT $CONTAINER_APP_PORT") == "8080 8080"
        await actuator.remove("web")


async def test_an_image_that_was_removed_meanwhile_is_provided_again(
    docker_server: DockerServer, api: docker.APIClient, owner: str
) -> None:
    """That it was there once is not relied on: what is missing is a plain error, and nothing is left."""
    api.tag("scaler-test-http", f"localhost:1/{owner}", "1")
    image = f"localhost:1/{owner}:1"
    target = workload(replace(WEB, containers=(Container("web", image),)), "web")
    async with DockerActuator(owner, base_url=docker_server.base_url) as actuator:
        await actuator.apply(target, 1)
        await eventually(lambda: actuator.observe(target), lambda seen: states(seen) == READY)
        await actuator.remove("web")
        api.remove_image(image)
        api.tag("scaler-test-http", f"localhost:1/{owner}", "2")
        later = workload(replace(WEB, containers=(Container("web", f"localhost:1/{owner}:2"),)), "web")
        await actuator.apply(later, 1)
        await eventually(lambda: actuator.observe(later), lambda seen: states(seen) == READY)
        await actuator.remove("web")
        api.remove_image(f"localhost:1/{owner}:2")

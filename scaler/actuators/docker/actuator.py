"""The actuator for one Docker engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from scaler.actuators.docker.client import EngineClient
from scaler.actuators.docker.runtime import DockerRuntime
from scaler.actuators.replicas import ReplicaActuator


class DockerActuator(ReplicaActuator):
    """Runs replicas as containers.

    Args:
        owner: Marks what belongs to this service; containers without it are never touched.
        base_url: The engine's address; None takes `DOCKER_HOST` and its companions, as the docker command does.
        network: Network that replicas join; None is the engine's default bridge.
        names: Asked when a container is created: further host names that it is to know, with their addresses.
        threads: How many calls to the engine may be under way.
        timeout_s: Deadline of one call to the engine.
        settings: Arguments of `ReplicaActuator`: `balancer`, `backoff`, `dns_suffix`, `listing_max_age_s`, `retry_s`.
    """

    kind: ClassVar[str] = "docker"

    def __init__(
        self,
        owner: str,
        *,
        base_url: str | None = None,
        network: str | None = None,
        names: Callable[[], Mapping[str, str]] = dict,
        threads: int = 16,
        timeout_s: float = 60.0,
        **settings: Any,
    ) -> None:
        client = EngineClient(base_url, threads=threads, timeout_s=timeout_s)
        super().__init__(DockerRuntime(owner, client, network, names), **settings)

"""The actuators of a service: which ones, and how they are put together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from scaler.actuators.compose.actuator import ComposeActuator
from scaler.actuators.docker.actuator import DockerActuator
from scaler.actuators.docker.client import EngineClient
from scaler.actuators.docker.endpoint import Endpoint
from scaler.actuators.process.actuator import ProcessActuator
from scaler.actuators.routing import RoutingActuator
from scaler.engine.state_dir import StateDir
from scaler.model import COMPOSE_SERVICE
from scaler.ports.actuator import Actuator
from scaler.ports.errors import ConfigError, EngineRefused, EngineUnavailable
from scaler.ports.load_balancer import LoadBalancer

log = structlog.get_logger(__name__)

# What runs already and can be scaled: kinds of `scaleTargetRef`.
FOREIGN_KINDS = frozenset({COMPOSE_SERVICE})


async def choose(wanted: str, directory: StateDir, *, network: str | None) -> str:
    """Return the kind of what runs apps: as asked, else what this state dir had before, else Docker where it answers.

    Raises:
        ConfigError: The state dir owns replicas of another kind, or the engine's address is none that can be used.
    """
    before = (directory.read_note("actuator") or {}).get("kind")
    kind = str(wanted)
    if kind == "auto":
        kind = before or ("docker" if await _docker_answers() else "process")
    elif kind == "docker":
        Endpoint.of_environment(os.environ, Path.home())  # what is wrong with it is told before anything begins
    if before is not None and before != kind:
        raise ConfigError(
            f"the state dir {directory.path} owns replicas of the actuator {before!r}, not {kind!r};"
            " end them with `scaler down`, or give this service another --state-dir"
        )
    log.info("actuator_chosen", kind=kind)
    if network is not None and kind != "docker":
        log.warning("option_ignored", option="--network", hint="only containers join a network")
    return kind


def make_actuator(
    kind: str,
    directory: StateDir,
    *,
    network: str | None,
    compose: ComposeActuator | None = None,
    balancer: LoadBalancer | None = None,
    names: Callable[[], Mapping[str, str]] = dict,
) -> Actuator:
    """Return what scales everything: apps of this state dir's owner, and what runs elsewhere.

    Args:
        kind: What runs apps; see `choose`.
        directory: Whose owner's replicas are ours.
        network: Docker network that containers join.
        compose: What scales compose's services; None makes one.
        balancer: What gives requests to replicas of apps with ingress; None is nothing.
        names: See `DockerActuator`.
    """
    if kind == "docker":
        apps: Actuator = DockerActuator(directory.owner, network=network, names=names, balancer=balancer)
    else:
        apps = ProcessActuator(directory.owner, directory.path, balancer=balancer)
    return RoutingActuator(apps, {COMPOSE_SERVICE: compose or ComposeActuator()})


async def _docker_answers() -> bool:
    client = EngineClient(None, threads=1, timeout_s=3)
    endpoint = client.endpoint()
    try:
        await client.call(lambda api: api.ping())
    except EngineRefused as error:
        raise ConfigError(str(error)) from error
    except EngineUnavailable as error:
        if endpoint.source:
            log.warning("engine_not_reached", named_by=endpoint.source, error=str(error))
        return False
    finally:
        client.close()
    return True

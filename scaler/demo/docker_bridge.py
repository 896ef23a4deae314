"""Where the demo's containers run: an image with a shell, and the address at which they reach this machine."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import docker
from docker.errors import DockerException

from scaler.ports.errors import ScalerError
from scaler.testing.servers.docker import BUSYBOX, DockerServer

_IMAGE = "busybox:1.37"
_LOCAL_IMAGE = "scaler-demo:local"


class NoEngine(ScalerError):
    """No Docker engine answers, or it has no image for the demo."""


@dataclass(frozen=True, slots=True)
class DockerBridge:
    """An engine that can run the demo.

    Attributes:
        image: Has `/bin/sh`, `nc` and `sleep`.
        gateway: This machine's address on the engine's default network.
    """

    image: str
    gateway: str


def find() -> DockerBridge:
    """Return the engine that answers, with an image that is there, pulled, or made from this machine's busybox.

    Raises:
        NoEngine: There is none, or no image can be had.
    """
    try:
        with closing(docker.from_env(version="auto")) as engine:
            engine.ping()
            gateway = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
            return DockerBridge(_image(engine), gateway)
    except DockerException as error:
        raise NoEngine(f"the demo with containers needs a Docker engine on this machine: {error}") from error


def _image(engine: docker.DockerClient) -> str:
    for name in (_IMAGE, _LOCAL_IMAGE):
        if engine.images.list(name):
            return name
    if BUSYBOX.exists():
        server = DockerServer()
        with server:
            server.busybox_image(_LOCAL_IMAGE, "exec /bin/sh")
        return _LOCAL_IMAGE
    engine.images.pull(_IMAGE)
    return _IMAGE

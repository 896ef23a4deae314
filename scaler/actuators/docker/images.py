"""Images: pulled when the engine lacks them, once however many ask."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from docker.auth import resolve_repository_name
from docker.errors import APIError, ImageNotFound
from docker.utils import parse_repository_tag

from scaler.actuators.docker.client import EngineClient, translated
from scaler.model import Registry
from scaler.ports.errors import ActuatorError, ReplicaRejected

log = structlog.get_logger(__name__)

# Seconds between two lines of progress.
_PROGRESS_EVERY_S = 2.0
# Other names of Docker's own registry.
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


class Images:
    """The engine's images.

    Pulls have threads of their own, for whose end the interpreter does not wait: they can take minutes, and must
    not keep starts waiting in the bounded pool.
    """

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._pulls: dict[str, asyncio.Future[None]] = {}

    async def ensure(self, image: str, registries: Iterable[Registry]) -> None:
        """Pull an image unless it is there.

        Raises:
            EngineUnavailable: The engine does not answer.
            ReplicaRejected: There is no such image, or it may not be pulled.
        """
        if image not in self._pulls and await self._client.call(lambda api: _present(api, image)):
            return
        if image not in self._pulls:  # another may have begun meanwhile
            self._pulls[image] = self._begin(image, _credentials(image, registries))
        await asyncio.shield(self._pulls[image])

    def _begin(self, image: str, credentials: Mapping[str, str] | None) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def finish(error: ActuatorError | None) -> None:
            self._pulls.pop(image, None)
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
                future.exception()  # those who asked may have given up

        def work() -> None:
            failure: ActuatorError | None = None
            try:
                with translated():
                    _pull(self._client.api(), image, credentials)
            except ActuatorError as error:
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(finish, failure)

        threading.Thread(target=work, name=f"docker-pull-{image}", daemon=True).start()
        return future


def _present(api: Any, image: str) -> bool:
    try:
        api.inspect_image(image)
    except ImageNotFound:
        return False
    return True


def _credentials(image: str, registries: Iterable[Registry]) -> Mapping[str, str] | None:
    """Return the manifest's credentials for the image's registry; without any, docker's own configuration counts."""
    server = _canonical(resolve_repository_name(image)[0])
    for registry in registries:
        if _canonical(registry.server) == server:
            return {"username": registry.username, "password": registry.password.get_secret_value()}
    return None


def _canonical(server: str) -> str:
    host = server.removeprefix("https://").removeprefix("http://").partition("/")[0].lower()
    return "docker.io" if host in _DOCKER_HUB else host


def _pull(api: Any, image: str, credentials: Mapping[str, str] | None) -> None:
    repository, tag = parse_repository_tag(image)
    log.info("image_pull_started", image=image)
    began = told_at = time.monotonic()
    layers: dict[str, tuple[int, int]] = {}
    try:
        for line in api.pull(repository, tag=tag or "latest", stream=True, decode=True, auth_config=credentials):
            if "error" in line:
                raise ReplicaRejected(f"image {image} cannot be pulled: {line['error']}")
            detail = line.get("progressDetail") or {}
            if line.get("status") == "Downloading" and detail.get("total"):
                layers[line["id"]] = (detail["current"], detail["total"])
            if time.monotonic() - told_at >= _PROGRESS_EVERY_S and layers:
                told_at = time.monotonic()
                current, total = (sum(column) for column in zip(*layers.values(), strict=True))
                log.info("image_pulling", image=image, downloaded_bytes=current, known_bytes=total)
    except APIError as error:
        # The engine answers; whatever the registry said needs a look by someone.
        raise ReplicaRejected(f"image {image} cannot be pulled: {error.explanation}") from error
    log.info("image_pulled", image=image, took_s=round(time.monotonic() - began, 1))

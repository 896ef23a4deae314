"""Images: pulled when the engine lacks them, once however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from docker import auth
from docker.errors import DockerException, ImageNotFound

from scaler.actuators.docker.client import EngineClient
from scaler.actuators.docker.pulling import NOT_PULLED, engine_of, pull
from scaler.model import Registry
from scaler.ports.errors import ReplicaRejected


class Images:
    """The engine's images.

    A pull goes on when those who asked for it give up: whoever asks next finds it done, or under way.
    """

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        # By credentials, too: one workload's wrong password is not another's.
        self._pulls: dict[tuple[str, Registry | None], asyncio.Task[None]] = {}

    async def ensure(self, image: str, registries: Iterable[Registry]) -> None:
        """Pull an image unless it is there.

        Raises:
            EngineUnavailable: The engine does not answer.
            RegistryUnavailable: The image's registry does not answer.
            ReplicaRejected: There is no such image, or it may not be pulled.
        """
        key = image, _login(image, registries)
        task = self._pulls.get(key)
        if task is None:
            task = self._pulls[key] = asyncio.create_task(self._provide(*key), name=f"docker:pull:{image}")

            def ended(task: asyncio.Task[None]) -> None:
                del self._pulls[key]
                if not task.cancelled():
                    task.exception()  # those who asked may have given up

            task.add_done_callback(ended)
        await asyncio.wait((task,))
        task.result()

    async def close(self) -> None:
        """Break off all pulls."""
        tasks = tuple(self._pulls.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _provide(self, image: str, login: Registry | None) -> None:
        if await self._client.call(lambda api: _present(api, image)):
            return
        engine, header = await self._client.call(lambda api: (engine_of(api), _auth_header(api, image, login)))
        await pull(engine, image, header)


def _present(api: Any, image: str) -> bool:
    try:
        api.inspect_image(image)
    except ImageNotFound:
        return False
    return True


def _server(image: str) -> str:
    """Return the host, and port if any, of an image's registry.

    Raises:
        ReplicaRejected: That is no image's name.
    """
    try:
        return str(auth.resolve_repository_name(image)[0])
    except DockerException as error:
        raise ReplicaRejected(f"image {image}: {error}", told=NOT_PULLED) from error


def _login(image: str, registries: Iterable[Registry]) -> Registry | None:
    """Return the manifest's credentials for the image's registry."""
    server = _server(image)
    return next((each for each in registries if auth.resolve_index_name(each.server.lower()) == server), None)


def _auth_header(api: Any, image: str, login: Registry | None) -> bytes | None:
    """Return the credentials as the engine takes them; without any of the manifest, docker's own configuration counts.

    Engines with containerd's image store use them for no other host than `serveraddress`.
    """
    server = _server(image)
    try:
        if login is None:
            header: bytes | None = auth.get_config_header(api, server)
        else:
            header = auth.encode_header({
                "username": login.username,
                "password": login.password.get_secret_value(),
                "serveraddress": auth.INDEX_URL if server == auth.INDEX_NAME else server,
            })  # fmt: skip
    except DockerException as error:  # a credential helper that fails
        text = f"image {image} cannot be pulled: docker's own credentials: {error}"
        raise ReplicaRejected(text, told=NOT_PULLED) from error
    return header

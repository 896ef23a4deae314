"""The calls to the Docker engine that scale a service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import aiohttp
import requests
from docker.errors import APIError, NotFound

from scaler.actuators.compose.containers import ONE_OFF, PROJECT, ServiceContainer
from scaler.actuators.compose.replication import Copy
from scaler.actuators.docker.client import EngineClient
from scaler.actuators.docker.failures import message, not_reached, refusal
from scaler.actuators.docker.pulling import engine_of
from scaler.actuators.docker.stuck import given_up
from scaler.ports.errors import EngineUnavailable, ReplicaRejected


class ServiceEngine:
    """One engine, seen as what compose made on it. A container that is gone is no error."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client

    async def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return the listing of all containers of all services; those of `docker compose run` are not among them."""
        labels = [PROJECT, f"{ONE_OFF}=False"]
        return await self._client.call(lambda api: api.containers(all=True, filters={"label": labels}))

    async def inspect(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return what the engine knows of each container."""

        def inspect(api: Any, container_id: str) -> Mapping[str, Any] | None:
            try:
                return dict(api.inspect_container(container_id))
            except NotFound:
                return None

        async def one(container_id: str) -> Mapping[str, Any] | None:
            return await self._client.call(lambda api: inspect(api, container_id))

        try:
            async with asyncio.TaskGroup() as group:
                tasks = {each: group.create_task(one(each), name="compose:inspect") for each in ids}
        except* Exception as errors:  # noqa: BLE001 - passed on: one outage fails all of them alike
            raise errors.exceptions[0] from None
        return {each: found for each, task in tasks.items() if (found := task.result())}

    async def image(self, definition: ServiceContainer) -> str:
        """Return how to name the image that a container was made of, whatever its tag points at by now."""
        name, identity = definition.inspected["Config"]["Image"], definition.inspected["Image"]

        def look(api: Any) -> str:
            try:
                return str(api.inspect_image(name)["Id"])
            except NotFound:
                return ""

        return str(name if await self._client.call(look) == identity else identity)

    async def create(self, copy: Copy) -> str | None:
        """Make a container with all its networks, and return its id; None when its name is taken.

        Raises:
            ReplicaRejected: The engine cannot make it.
        """

        def create(api: Any) -> str | None:
            try:
                made = str(api.create_container_from_config(dict(copy.body), copy.name)["Id"])
            except APIError as error:
                if error.status_code == requests.codes.conflict:
                    return None
                raise
            try:
                for network, endpoint in copy.networks.items():
                    api.connect_container_to_network(
                        made, network, aliases=endpoint.get("Aliases"), driver_opt=endpoint.get("DriverOpts"),
                        links=[tuple(link.split(":", 1)) for link in endpoint.get("Links") or ()],
                    )  # fmt: skip
            except BaseException:
                api.remove_container(made, v=True)
                raise
            return made

        with _naming(copy.name):
            return await self._client.call(create)

    async def start(self, container_id: str, name: str, *, replaceable: bool = True) -> None:
        """Start a container; one that runs stays as it is.

        Args:
            container_id: Which one.
            name: Its name, for texts.
            replaceable: There is another container of the service, from which one more can be made.

        Raises:
            ReplicaRejected: The engine cannot start it.
            EngineUnavailable: See `given_up`, among others.
        """

        def start(api: Any) -> None:
            try:
                with given_up(api, container_id, only_held=True) if replaceable else contextlib.nullcontext():
                    api.start(container_id)
            except NotFound:
                return
            except APIError as error:
                # Among others a port or an address that is taken, which comes as a failure of the engine's own.
                raise ReplicaRejected(str(error.explanation)) from error

        with _naming(name):
            await self._client.call(start)

    async def remove(self, container_id: str) -> None:
        """Remove a container that does not run, and its anonymous volumes. One that somebody started again stays."""

        def remove(api: Any) -> None:
            try:
                api.remove_container(container_id, v=True)
            except APIError as error:
                if error.status_code not in {requests.codes.not_found, requests.codes.conflict}:
                    raise

        await self._client.call(remove)

    async def stop(self, container_id: str) -> None:
        """Stop a container with its own signal and time-out, and wait for its end.

        A cancelled call leaves the engine to it: the stop goes on. No thread waits, however long a time-out is.
        """
        engine = await self._client.call(engine_of)
        connector = aiohttp.UnixConnector(engine.socket_path) if engine.socket_path else None
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session,
                session.post(f"{engine.url}/containers/{container_id}/stop", ssl=engine.tls) as response,
            ):
                said = message(await response.text())
                refused = refusal("POST", str(response.url), response.status, response.headers, said)
                if refused is not None:
                    raise refused
                if response.status >= requests.codes.server_error:
                    raise EngineUnavailable(f"the Docker engine failed: {said}")
        except (aiohttp.ClientError, OSError) as error:
            raise EngineUnavailable(not_reached(error)) from error


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except ReplicaRejected as error:
        raise ReplicaRejected(f"{name}: {error}") from error

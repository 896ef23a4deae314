"""Finds where apps that run as containers reach each other: a port of the gateway of their network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog

from scaler.actuators.docker.networks import gateway_address
from scaler.backoff import Backoff
from scaler.engine.state_dir import StateDir
from scaler.ingress import folder as ingress_folder
from scaler.ingress.envoy import process
from scaler.ingress.ingress import Ingress
from scaler.ingress.settings import Listen
from scaler.ports.errors import ActuatorError, ConfigError

log = structlog.get_logger(__name__)

_HTTP_PORT = 80
_NOTE = "ingress"
_HINT = "apps do not reach each other by name; name an address with --ingress-internal"

Gateway: TypeAlias = Callable[[str | None], Awaitable[str]]


class InternalListener:
    """Where apps reach each other when nobody said where. Local processes have no such place.

    Args:
        directory: Remembers it, for a run that begins while the engine is away.
        network: The Docker network that containers join; None is the engine's default.
        gateway: Returns the host's address in a network.
        port: The one that `http://NAME` means.
    """

    def __init__(
        self,
        directory: StateDir,
        network: str | None,
        gateway: Gateway = gateway_address,
        *,
        port: int = _HTTP_PORT,
    ) -> None:
        self._directory = directory
        self._network = network
        self._gateway = gateway
        self._port = port

    def before(self, *, external_envoy: bool) -> tuple[Listen, ...]:
        """Return where the last run had apps reach each other, if its Envoy may be listening there."""
        folder = ingress_folder.of_envoy(ingress_folder.of(self._directory.path))
        if not external_envoy and process.find(folder) is None:
            return ()
        note = self._directory.read_note(_NOTE) or {}
        return tuple(Listen(str(host), int(port)) for host, port in note.get("internal", ()))

    def remember(self, listens: tuple[Listen, ...]) -> None:
        """Keep for the next run where apps reach each other now."""
        self._directory.write_note(_NOTE, {"internal": [[listen.host, listen.port] for listen in listens]})

    async def try_to_find(self, before: tuple[Listen, ...]) -> tuple[Listen, ...]:
        """Return it, and what there was before while the engine does not answer."""
        try:
            return await self._find(before)
        except ActuatorError as error:
            if not before:
                log.warning("internal_ingress_waits", error=str(error))
            return before

    async def follow(self, ingress: Ingress) -> None:
        """Give it to an ingress that an app needs, and that has none, as soon as the engine answers."""
        await ingress.needed()
        backoff = Backoff(first_s=1, longest_s=30)
        while not ingress.settings.internal:
            try:
                found = await self._find(())
            except ActuatorError as error:
                log.debug("internal_ingress_waits", error=str(error))
                await asyncio.sleep(backoff.next_delay())
                continue
            if not found:
                return
            self.remember(found)
            ingress.listen_internally(found)

    async def _find(self, before: tuple[Listen, ...]) -> tuple[Listen, ...]:
        """Return the gateway, where that is free or listened on before; nothing, with a warning, where there is none.

        Raises:
            EngineUnavailable: The engine does not answer.
        """
        try:
            listen = Listen(await self._gateway(self._network), self._port)
        except ConfigError as error:
            if before:
                return before
            log.warning("internal_ingress_off", error=str(error), hint=_HINT)
            return ()
        if listen not in before:
            try:
                socket.create_server((listen.host, listen.port)).close()
            except OSError as error:
                log.warning("internal_ingress_off", address=str(listen), error=error.strerror, hint=_HINT)
                return ()
        return (listen,)

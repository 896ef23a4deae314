"""The discovery service (ADS): brings every connected Envoy to what is wanted, and knows what each has accepted."""

from __future__ import annotations

from collections.abc import Callable

import grpc.aio

from scaler.ingress.settings import IngressSettings
from scaler.ingress.site import Site
from scaler.ingress.xds.naming import DEFAULT_DNS_SUFFIX
from scaler.ports.errors import Permanent, ScalerError


class SiteRejected(ScalerError, Permanent):
    """What was put of an app was refused, and is not tried again until something else is put."""


class Discovery:
    """What Envoys are to know. All methods belong to the thread of the event loop.

    Args:
        settings: Where to listen; with which certificates.
        dns_suffix: Domain of the names that apps know each other by.
        on_connected: Told how many Envoys are connected, whenever that changes.
        on_rejected: Told which apps an Envoy (or our own check) refused, and why in words; no app when it is about
            the listeners. The rest goes on; those apps stay at what was last accepted of them, or are left out.
    """

    def __init__(
        self,
        settings: IngressSettings,
        *,
        dns_suffix: str = DEFAULT_DNS_SUFFIX,
        on_connected: Callable[[int], None] = lambda _: None,
        on_rejected: Callable[[frozenset[str], str], None] = lambda _, __: None,
    ) -> None: ...

    @property
    def connected(self) -> int:
        """How many Envoys are connected."""
        raise NotImplementedError

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to a server that has not been started."""

    def start(self) -> None:
        """Begin to tell Envoys. Until then those that connect wait, and go on with what they have.

        To be called once everything that is known was put: what is missing then is taken from the Envoys.
        """

    def configure(self, settings: IngressSettings) -> None:
        """Listen there from now on, and read the certificates again."""

    def put(self, site: Site) -> None:
        """Want an app to be as this says. Changes of one turn of the event loop go out together."""

    def drop(self, name: str) -> None:
        """Want an app to be gone, clusters included; nothing when it is not there."""

    async def acknowledged(self, name: str) -> None:
        """Wait until at least one Envoy is connected, and all that are have what was put of this app until now.

        A dropped app is acknowledged once its routes and clusters are gone. It waits without limit: while no Envoy is
        connected, and before `start()`.

        Raises:
            SiteRejected: An Envoy, or our own check, refused what was put; see `on_rejected`.
        """

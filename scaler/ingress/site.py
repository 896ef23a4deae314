"""What the proxies are to know of one app at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from scaler.model import Endpoint, Ingress


@dataclass(frozen=True, slots=True)
class Backend:
    """One replica that requests may be with. A draining one keeps those it has, and gets no more."""

    replica: str
    endpoint: Endpoint
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """One app as the proxies see it.

    Attributes:
        name: The app's.
        ingress: What its manifest says.
        backends: Its replicas that are ready or draining.
        hot: Requests go straight to the backends; otherwise each is held until the holding service lets it go on,
            and then goes to the backends as they are at that moment.
        routed: Requests are taken; otherwise the app is gone from the configuration and only its last replicas drain.
    """

    name: str
    ingress: Ingress
    backends: tuple[Backend, ...] = ()
    hot: bool = False
    routed: bool = True


class Sites(Protocol):
    """What proxies are told of apps; see `Discovery`."""

    @property
    def started(self) -> bool:
        """Whether proxies are told."""
        ...

    def put(self, site: Site) -> None:
        """Want an app to be as this says."""

    async def acknowledged(self, name: str) -> None:
        """Wait until all proxies have what was put of an app. Raises SiteRejected."""

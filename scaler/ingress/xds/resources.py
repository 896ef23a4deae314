"""One app's resources, serialized once: what a thousand apps are told is put together from these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scaler.ingress.site import Site
from scaler.ingress.xds import clusters, endpoints, routes
from scaler.ingress.xds.certificates import Certificate
from scaler.ingress.xds.naming import Side, clusters_of
from scaler.ingress.xds.packing import serialized


@dataclass(frozen=True, slots=True)
class AppResources:
    """What Envoy is told of one app.

    Attributes:
        site: What they were made of.
        clusters: Serialized clusters by name.
        assignments: Serialized endpoints by cluster.
        virtual_hosts: Parts of each side's routes; see `routes.part_of_configuration`.
        certificates: By host name, those that the app brings.
    """

    site: Site
    clusters: Mapping[str, bytes]
    assignments: Mapping[str, bytes]
    virtual_hosts: Mapping[Side, bytes]
    certificates: Mapping[str, Certificate] = field(default_factory=dict)


def build(
    site: Site,
    hosts: Mapping[Side, tuple[str, ...]],
    *,
    certificates: Mapping[str, Certificate],
    tls_port: int | None,
) -> AppResources:
    """Return an app's resources.

    Args:
        site: The app; its backends have IP addresses.
        hosts: What it is reached by on each side that is listened on.
        certificates: By host name.
        tls_port: Where HTTPS is offered; None where it is not.

    Raises:
        ValueError: A value does not fit: a range of addresses, a number.
        TypeError: The same.
    """
    names = clusters_of(site.name, site.ingress.transport)
    virtual_hosts = {}
    for side, of_side in hosts.items():
        if not site.routed or not of_side:
            continue
        redirected = side is Side.EXTERNAL and not site.ingress.allow_insecure
        host = routes.virtual_host(site, of_side, redirect_port=tls_port if redirected else None)
        virtual_hosts[side] = routes.part_of_configuration(host)
    return AppResources(
        site=site,
        clusters={each.name: serialized(each) for each in clusters.app_clusters(site.name, names)},
        assignments={name: serialized(endpoints.load_assignment(name, site.backends)) for name in names},
        virtual_hosts=virtual_hosts,
        certificates=certificates if site.routed else {},
    )

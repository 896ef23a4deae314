"""Names of clusters, and the hosts of an app."""

from __future__ import annotations

import pytest

from scaler.ingress.xds import naming
from scaler.ingress.xds.naming import Side
from scaler.model import Ingress, Transport


@pytest.mark.parametrize(
    ("transport", "clusters"),
    [
        (Transport.HTTP, ("app/shop",)),
        (Transport.HTTP2, ("app/shop/h2",)),
        (Transport.AUTO, ("app/shop", "app/shop/h2")),
    ],
)
def test_clusters_follow_the_transport_and_lead_back_to_the_app(
    transport: Transport, clusters: tuple[str, ...]
) -> None:
    assert naming.clusters_of("shop", transport) == clusters
    assert {naming.app_of(name) for name in clusters} == {"shop"}


@pytest.mark.parametrize("name", ["scaler-control", "app/", "app/a/h3", "xapp/a"])
def test_other_clusters_belong_to_no_app(name: str) -> None:
    assert naming.app_of(name) is None


def test_an_external_app_has_names_on_every_side() -> None:
    app = Ingress(80, external=True)
    assert naming.own_hosts("Shop", app, Side.EXTERNAL) == ("shop.localhost",)
    assert naming.own_hosts("Shop", app, Side.TLS) == ("shop.localhost",)
    assert naming.own_hosts("Shop", app, Side.INTERNAL, dns_suffix="corp") == ("shop", "shop.localhost", "shop.corp")


def test_an_internal_app_has_names_inside_only() -> None:
    app = Ingress(80)
    assert [naming.own_hosts("a", app, side) for side in (Side.EXTERNAL, Side.TLS)] == [(), ()]
    assert naming.own_hosts("a", app, Side.INTERNAL) == ("a", "a.localhost", "a.scaler.internal")


@pytest.mark.parametrize("name", ["a", "a.b", "xn--a.example", "10.0.0.1", "a_b.c", "a-b"])
def test_hosts(name: str) -> None:
    assert naming.is_host(name)


@pytest.mark.parametrize("name", ["", ".", "a..b", "A", "*.a", "a:80", "a/b", "-a", "a b", "a" * 64, "a." * 130 + "a"])
def test_no_hosts(name: str) -> None:
    assert not naming.is_host(name)

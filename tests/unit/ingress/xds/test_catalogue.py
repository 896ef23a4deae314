"""What becomes of the sites that are wanted: checks of our own, host names, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme

from scaler.ingress.settings import IngressSettings, Listen
from scaler.ingress.site import Backend, Site
from scaler.ingress.xds.catalogue import Catalogue
from scaler.ingress.xds.naming import Side
from scaler.model import AddressRestriction, CustomDomain, Endpoint, Ingress

INSIDE = Listen("10.0.0.1", 80)


def app(name: str = "app", **ingress: Any) -> Site:
    return Site(name, Ingress(80, **{"external": True, **ingress}))


def domains(*names: str, certificate: str | None = None) -> tuple[CustomDomain, ...]:
    return tuple(CustomDomain(name, certificate) for name in names)


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(IngressSettings(internal=(INSIDE,)))


def problems(catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    return catalogue.take_problems()


def test_an_app_is_on_the_sides_that_it_is_reached_from(catalogue: Catalogue) -> None:
    catalogue.put(app("outer"))
    catalogue.put(app("inner", external=False))
    found = {name: set(each.virtual_hosts) for name, each in catalogue.snapshot().apps.items()}
    assert found == {"outer": {Side.EXTERNAL, Side.INTERNAL}, "inner": {Side.INTERNAL}}
    assert problems(catalogue) == {}


def test_an_app_that_is_not_routed_keeps_its_clusters(catalogue: Catalogue) -> None:
    catalogue.put(Site("app", Ingress(80, external=True), routed=False))
    found = catalogue.snapshot().apps["app"]
    assert set(found.clusters) == {"app/app", "app/app/h2"}
    assert found.virtual_hosts == {}


def test_a_bad_domain_costs_the_app_that_domain(catalogue: Catalogue) -> None:
    catalogue.put(app(custom_domains=domains("*.evil", "good.example")))
    assert catalogue.refusal("app") is None
    assert b"good.example" in catalogue.snapshot().apps["app"].virtual_hosts[Side.EXTERNAL]
    assert b"evil" not in catalogue.snapshot().apps["app"].virtual_hosts[Side.EXTERNAL]
    assert problems(catalogue) == {"app": ("custom domain '*.evil': not a host name",)}


def test_a_domain_is_that_of_the_first_and_then_of_the_next(catalogue: Catalogue) -> None:
    catalogue.put(app("a", custom_domains=domains("shop.example")))
    catalogue.put(app("b", custom_domains=domains("SHOP.example.")))
    assert problems(catalogue) == {"b": ("custom domain 'SHOP.example.': app a has it",)}
    catalogue.drop("a")
    assert b"shop.example" in catalogue.snapshot().apps["b"].virtual_hosts[Side.EXTERNAL]
    assert problems(catalogue) == {}


def test_no_app_takes_the_name_of_another(catalogue: Catalogue) -> None:
    catalogue.put(app("thief", custom_domains=domains("victim.localhost", "victim")))
    catalogue.put(app("victim"))
    assert b"victim" not in catalogue.snapshot().apps["thief"].virtual_hosts[Side.INTERNAL]
    assert b"victim.localhost" in catalogue.snapshot().apps["victim"].virtual_hosts[Side.INTERNAL]


@pytest.mark.parametrize(
    "bad",
    [
        {"request_timeout_s": -1.0},
        {"request_timeout_s": float("nan")},
        {"request_timeout_s": 1e300},
        {"restriction": AddressRestriction(allow=True, ranges=("everyone",))},
    ],
)
def test_an_app_with_an_impossible_value_is_left_out_or_as_it_was(catalogue: Catalogue, bad: dict[str, Any]) -> None:
    catalogue.put(app("other"))
    catalogue.put(app(**bad))
    assert catalogue.refusal("app") is not None
    assert set(catalogue.snapshot().apps) == {"other"}
    good = app()
    catalogue.put(good)
    assert catalogue.refusal("app") is None
    catalogue.accepted(catalogue.snapshot().apps)
    catalogue.put(app(**bad))
    assert catalogue.snapshot().apps["app"].site.ingress == good.ingress


def test_a_replica_without_an_address_gets_no_requests(catalogue: Catalogue) -> None:
    backends = (Backend("a", Endpoint("10.0.0.7", 80)), Backend("b", Endpoint("localhost", 80)))
    catalogue.put(Site("app", Ingress(80), backends))
    assert [each.replica for each in catalogue.snapshot().apps["app"].site.backends] == ["a"]
    assert list(problems(catalogue)) == ["app"]


def test_what_an_envoy_refused_falls_back_to_what_was_accepted_while_replicas_go_on(catalogue: Catalogue) -> None:
    good = app()
    catalogue.put(good)
    catalogue.accepted(catalogue.snapshot().apps)
    bad = app(request_timeout_s=7.0)
    catalogue.put(bad)
    catalogue.refuse("app", catalogue.snapshot().apps["app"], "no")
    backends = (Backend("a", Endpoint("10.0.0.7", 80)),)
    catalogue.put(Site("app", bad.ingress, backends, hot=True))
    found = catalogue.snapshot().apps["app"].site
    assert (found.ingress, found.backends, found.hot) == (good.ingress, backends, True)
    assert catalogue.refusal("app") is None


def test_what_an_envoy_refused_is_left_out_until_it_is_another(catalogue: Catalogue) -> None:
    catalogue.put(app(request_timeout_s=7.0))
    catalogue.refuse("app", catalogue.snapshot().apps["app"], "no")
    assert (catalogue.refusal("app"), dict(catalogue.snapshot().apps)) == ("no", {})
    catalogue.put(app(request_timeout_s=7.0))
    assert catalogue.refusal("app") == "no"
    catalogue.put(app())
    assert catalogue.refusal("app") is None
    assert set(catalogue.snapshot().apps) == {"app"}


def test_versions_grow_with_every_change(catalogue: Catalogue) -> None:
    versions = [catalogue.snapshot().version]
    for change in (lambda: catalogue.put(app()), lambda: catalogue.drop("app"), lambda: catalogue.drop("app")):
        change()
        versions.append(catalogue.snapshot().version)
    assert versions == sorted(set(versions))


class TestCertificates:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        ca = trustme.CA()
        for name in ("default", "shop"):
            pair = ca.issue_cert(f"{name}.example")
            pair.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.crt")
            pair.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        (tmp_path / "mixed.crt").write_bytes((tmp_path / "shop.crt").read_bytes())
        (tmp_path / "mixed.key").write_bytes((tmp_path / "default.key").read_bytes())
        (tmp_path / "broken.crt").write_text("nothing")
        (tmp_path / "broken.key").write_text("nothing")
        return tmp_path

    def test_a_good_pair_is_served_for_its_domain(self, folder: Path) -> None:
        catalogue = Catalogue(IngressSettings(tls=Listen("127.0.0.1", 443), certificates=folder))
        catalogue.put(app(custom_domains=domains("shop.example", certificate="shop")))
        (pair,) = catalogue.snapshot().apps["app"].certificates.items()
        assert (pair[0], pair[1].name) == ("shop.example", "shop")
        assert "PRIVATE" not in repr(catalogue.snapshot())

    @pytest.mark.parametrize("name", ["missing", "mixed", "broken", "../default"])
    def test_a_bad_pair_costs_the_domain_its_certificate(self, folder: Path, name: str) -> None:
        catalogue = Catalogue(IngressSettings(tls=Listen("127.0.0.1", 443), certificates=folder))
        catalogue.put(app(custom_domains=domains("shop.example", certificate=name)))
        found = catalogue.snapshot().apps["app"]
        assert found.certificates == {}
        assert b"shop.example" in found.virtual_hosts[Side.TLS]
        assert name in problems(catalogue)["app"][0]

    def test_a_pair_that_is_replaced_by_a_bad_one_goes_on_as_it_was(self, folder: Path) -> None:
        settings = IngressSettings(tls=Listen("127.0.0.1", 443), certificates=folder)
        catalogue = Catalogue(settings)
        catalogue.put(app(custom_domains=domains("shop.example", certificate="shop")))
        before = catalogue.snapshot()
        for name in ("default", "shop"):
            (folder / f"{name}.key").write_bytes((folder / "broken.key").read_bytes())
        assert "default" in catalogue.configure(settings)[0]
        assert "shop" in problems(catalogue)["app"][0]
        after = catalogue.snapshot()
        assert after.listeners == before.listeners
        assert after.apps["app"].certificates == before.apps["app"].certificates

    def test_a_missing_default_is_a_flaw_of_the_listener(self, folder: Path) -> None:
        catalogue = Catalogue(IngressSettings())
        settings = IngressSettings(tls=Listen("127.0.0.1", 443), certificates=folder / "none")
        assert "default" in catalogue.configure(settings)[0]
        assert catalogue.configure(IngressSettings(tls=settings.tls, certificates=folder)) == ()

    def test_a_renewed_pair_is_read_again(self, folder: Path) -> None:
        settings = IngressSettings(tls=Listen("127.0.0.1", 443), certificates=folder)
        catalogue = Catalogue(settings)
        catalogue.put(app(custom_domains=domains("shop.example", certificate="shop")))
        before = catalogue.snapshot().apps["app"].certificates["shop.example"]
        for kind in ("crt", "key"):
            (folder / f"shop.{kind}").write_bytes((folder / f"default.{kind}").read_bytes())
        catalogue.configure(settings)
        after = catalogue.snapshot().apps["app"].certificates["shop.example"]
        assert after.chain == (folder / "default.crt").read_bytes() != before.chain

    def test_apps_that_bring_no_certificate_are_left_alone_when_certificates_are_read_again(self, folder: Path) -> None:
        settings = IngressSettings(tls=Listen("127.0.0.1", 443), certificates=folder)
        catalogue = Catalogue(settings)
        catalogue.put(app())
        before = catalogue.snapshot().apps["app"]
        catalogue.configure(settings)
        assert catalogue.snapshot().apps["app"] is before

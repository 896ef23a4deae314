"""`customDomains`: names, their certificates, and that each host belongs to one app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme

from scaler.manifest import Manifests, Outside, load
from scaler.model import App, CustomDomain
from scaler.ports.errors import InvalidManifest
from scalers.http.requests import HttpScaler


@pytest.fixture
def loader(manifests: Any) -> Any:
    manifests.scalers |= {"http": HttpScaler}
    return manifests


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with one good pair, called shop."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    issued = trustme.CA().issue_cert("shop.example.com")
    issued.cert_chain_pems[0].write_to_path(folder / "shop.crt")
    issued.private_key_pem.write_to_path(folder / "shop.key")
    return folder


def app(loader: Any, domains: str, name: str = "web") -> str:
    ingress = f"{{ingress: {{targetPort: 80, customDomains: [{domains}]}}}}"
    text: str = loader.app("{}", configuration=ingress, name=name)
    return text


def domains_of(loader: Any, domains: str) -> tuple[CustomDomain, ...]:
    target = loader.one(app(loader, domains)).target
    assert isinstance(target, App)
    assert target.ingress is not None
    return target.ingress.custom_domains


def load_with(
    loader: Any, folder: Path, certificate: str = "shop", *, outside: Outside = Outside.REQUIRED
) -> Manifests:
    path = loader.folder / "m.yaml"
    path.write_text(app(loader, f"{{name: shop.example.com, certificateId: {certificate}}}"))
    return load([path], scalers=loader.scalers, environ={}, certificates=folder, outside=outside)


@pytest.mark.parametrize(
    "name", ["a", "a.b", "localhost", "X.Example.COM", "1.2.3.4", "xn--bcher-kva.example", "a" * 63]
)
def test_a_host_is_taken_in_lower_case(loader: Any, name: str) -> None:
    assert domains_of(loader, f"{{name: '{name}'}}") == (CustomDomain(name.lower()),)


@pytest.mark.parametrize(
    "name",
    [
        "https://a.b",
        "a.b:80",
        "a.b/",
        "*.a.b",
        "a..b",
        ".a",
        "a.",
        "-a.b",
        "a_b.c",
        "a b",
        "bücher.de",
        "a" * 64,
        "x." * 130,
    ],
)
def test_what_is_no_host_is_told(loader: Any, name: str) -> None:
    (problem,) = loader.problems(app(loader, f"{{name: '{name}'}}"))
    assert problem.path == "properties.configuration.ingress.customDomains[0].name"
    assert "a host name, without scheme" in problem.expected


@pytest.mark.parametrize(
    ("binding", "certificate"),
    [
        ("certificateId: shop", "shop"),
        ("bindingType: SNIENABLED, certificateId: /a/b/certificates/shop", "shop"),
        ("bindingType: Auto, certificateId: /a/b/managedCertificates/shop", "shop"),
        ("bindingType: Disabled", None),
        ("bindingType: Disabled, certificateId: ''", None),
        ("certificateId: null", None),
    ],
)
def test_the_end_of_an_id_names_the_certificate(loader: Any, binding: str, certificate: str | None) -> None:
    assert domains_of(loader, f"{{name: a.b, {binding}}}") == (CustomDomain("a.b", certificate),)


@pytest.mark.parametrize("identity", ["a/", "/x/..", "../../etc/passwd/.ssh", "'a b'", "x/a:b"])
def test_a_certificate_s_name_leads_nowhere_else(loader: Any, identity: str) -> None:
    (problem,) = loader.problems(app(loader, f"{{name: a.b, certificateId: {identity}}}"))
    assert problem.path.endswith("customDomains[0].certificateId")


def test_sni_needs_a_certificate(loader: Any) -> None:
    (problem,) = loader.problems(app(loader, "{name: a.b, bindingType: SniEnabled}"))
    assert (problem.path.rpartition(".")[2], problem.found) == ("certificateId", "nothing")


@pytest.mark.parametrize(
    ("binding", "field"),
    [("bindingType: Auto", "bindingType"), ("bindingType: Disabled, certificateId: shop", "certificateId")],
)
def test_what_azure_would_do_and_is_not_done_is_a_warning(loader: Any, binding: str, field: str) -> None:
    loaded = loader.load(app(loader, f"{{name: a.b, {binding}}}"))
    assert [warning.path.rpartition(".")[2] for warning in loaded.warnings] == [field]
    assert loaded.workloads[0].target.ingress.custom_domains == (CustomDomain("a.b"),)


def test_an_unknown_binding_is_told_once(loader: Any) -> None:
    (problem,) = loader.problems(app(loader, "{name: a.b, bindingType: Sni}"))
    assert problem.expected == "one of Disabled, SniEnabled, Auto"


def test_a_host_of_two_apps_is_told_with_both_places(loader: Any) -> None:
    one, two = app(loader, "{name: a.b}", "one"), app(loader, "{name: c.d}, {name: A.B}", "two")
    (problem,) = loader.problems(one, two)
    assert problem.location.file.endswith("m1.yaml")
    assert problem.path == "properties.configuration.ingress.customDomains[1].name"
    assert (problem.found, problem.expected) == ("'a.b' a second time", "each host name once")
    assert problem.hint.startswith("first at ")
    assert "m0.yaml:3:" in problem.hint


def test_a_host_twice_in_one_app_is_told(loader: Any) -> None:
    (problem,) = loader.problems(app(loader, "{name: a.b}, {name: a.B}"))
    assert (problem.path.rpartition("ingress.")[2], problem.expected) == (
        "customDomains[1].name",
        "each host name once",
    )


@pytest.mark.parametrize("host", ["two", "two.localhost", "TWO.Localhost"])
def test_another_app_s_own_name_is_told(loader: Any, host: str) -> None:
    (problem,) = loader.problems(app(loader, f"{{name: {host}}}", "one"), app(loader, "", "two"))
    assert problem.path.endswith("customDomains[0].name")
    assert "m1.yaml:1:1" in problem.hint


def test_an_app_s_own_name_may_be_given_a_certificate(loader: Any) -> None:
    assert domains_of(loader, "{name: web.localhost, certificateId: x}") == (CustomDomain("web.localhost", "x"),)


def test_the_name_of_an_app_without_ingress_is_free(loader: Any) -> None:
    loaded = loader.load(app(loader, "{name: two}", "one"), loader.app(name="two"))
    assert len(loaded.workloads) == 2


def test_a_pair_that_fits_is_good_and_watched(loader: Any, certificates: Path) -> None:
    loaded = load_with(loader, certificates)
    assert loaded.warnings == ()
    assert {certificates / "shop.crt", certificates / "shop.key"} <= set(loaded.files)


def test_the_default_pair_is_watched_whoever_uses_it(loader: Any, certificates: Path) -> None:
    loaded = load_with(loader, certificates)
    assert {certificates / "default.crt", certificates / "default.key"} <= set(loaded.files)


@pytest.mark.parametrize("missing", ["crt", "key"])
def test_a_missing_half_is_told(loader: Any, certificates: Path, missing: str) -> None:
    (certificates / f"shop.{missing}").unlink()
    with pytest.raises(InvalidManifest) as caught:
        load_with(loader, certificates)
    (problem,) = caught.value.problems
    assert f"shop.{missing}" in problem.expected
    assert problem.path.endswith("customDomains[0].certificateId")


def test_a_missing_pair_is_a_warning_where_manifests_are_only_looked_at(loader: Any, certificates: Path) -> None:
    loaded = load_with(loader, certificates, "other", outside=Outside.OPTIONAL)
    assert "not checked" in loaded.warnings[0].hint
    assert loaded.workloads[0].target.ingress.custom_domains[0].certificate == "other"  # type: ignore[union-attr]


@pytest.mark.parametrize("spoilt", ["crt", "key"])
def test_a_pair_that_does_not_fit_is_told_without_what_is_in_it(loader: Any, certificates: Path, spoilt: str) -> None:
    other = trustme.CA().issue_cert("other.example.com")
    for content in (b"no PEM", other.private_key_pem.bytes() if spoilt == "key" else other.cert_chain_pems[0].bytes()):
        (certificates / f"shop.{spoilt}").write_bytes(content)
        with pytest.raises(InvalidManifest) as caught:
            load_with(loader, certificates)
        assert "a certificate and its key" in str(caught.value)
        assert "OpenSSL says" in str(caught.value)
        assert "BEGIN" not in str(caught.value)

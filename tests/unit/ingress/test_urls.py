"""Where people reach an app."""

from __future__ import annotations

from scaler.ingress import urls
from scaler.ingress.settings import IngressSettings, Listen
from scaler.model import CustomDomain, Ingress


def test_an_external_app_has_its_own_name_and_its_domains_on_every_listener() -> None:
    ingress = Ingress(80, external=True, custom_domains=(CustomDomain("shop.example"),))
    settings = IngressSettings(external=Listen("127.0.0.1", 80), tls=Listen("127.0.0.1", 8443))
    assert urls.of("shop", ingress, settings) == (
        "https://shop.localhost:8443",
        "https://shop.example:8443",
        "http://shop.localhost",
        "http://shop.example",
    )


def test_an_internal_app_is_reached_by_its_name_from_the_other_apps_only() -> None:
    settings = IngressSettings(internal=(Listen("172.17.0.1", 80), Listen("172.18.0.1", 80)))
    assert urls.of("shop", Ingress(80), settings) == ("http://shop",)
    assert urls.of("shop", Ingress(80), IngressSettings()) == ()

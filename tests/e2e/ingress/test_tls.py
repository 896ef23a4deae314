"""HTTPS: which certificate a host has, plain requests that are sent there, and certificates that are renewed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path

import pytest
import trustme

from scaler.testing import http_app
from scaler.testing.http_client import HELD, Client
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.polling import eventually
from scaler.testing.servers.process import free_port

pytestmark = pytest.mark.services

SCALE = {**QUICK, "rules": [rule(concurrentRequests="100")]}
DOMAIN = {"name": "shop.example", "bindingType": "SniEnabled", "certificateId": "certificates/shop"}
APPS = [
    http_app.manifest("shop", ingress={"customDomains": [DOMAIN]}, scale=SCALE),
    http_app.manifest("open", ingress={"allowInsecure": True}, scale=SCALE),
]


class Https:
    """A service with HTTPS, and a certificate for each of two names."""

    def __init__(self, folder: Path) -> None:
        self.certificates = folder / "certificates"
        self.certificates.mkdir()
        self.port = free_port()
        self.presented = {
            name: self.issue(name, host) for name, host in (("default", "*.localhost"), ("shop", "shop.example"))
        }
        self.service = HttpService(folder, APPS)

    def issue(self, name: str, host: str) -> bytes:
        """Put a new pair into the folder, and return its certificate."""
        pair = trustme.CA().issue_cert(host)
        pair.private_key_pem.write_to_path(self.certificates / f"{name}.key")
        pair.cert_chain_pems[0].write_to_path(self.certificates / f"{name}.crt")
        return ssl.PEM_cert_to_DER_cert(pair.cert_chain_pems[0].bytes().decode())

    def options(self) -> tuple[str, ...]:
        return "--ingress-tls", f"127.0.0.1:{self.port}", "--certificates", str(self.certificates)

    def connect(self, host: str) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return context.wrap_socket(raw, server_hostname=host)

    def certificate(self, host: str) -> bytes | None:
        """Return the certificate that this host has."""
        with closing(self.connect(host)) as connection:
            return connection.getpeercert(binary_form=True)

    def get(self, host: str) -> str:
        with closing(self.connect(host)) as connection:
            return ask(connection, host)


def ask(connection: ssl.SSLSocket, host: str) -> str:
    """Ask for the root, and return the head of the answer; the connection stays open."""
    connection.sendall(f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return f"{answer.status}\n{answer.headers}".lower()


@pytest.fixture(scope="module")
def https(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Https]:
    https = Https(tmp_path_factory.mktemp("service"))
    with https.service.running(*https.options()):
        yield https


def test_a_domain_has_its_certificate_and_wakes_its_app(https: Https) -> None:
    https.service.wait_for_zero("shop")
    answer = https.get("shop.example")
    assert answer.startswith("200")
    assert HELD.lower() in answer
    assert "x-replica: shop--" in answer
    assert https.certificate("shop.example") == https.presented["shop"]


def test_all_other_hosts_have_the_default(https: Https) -> None:
    for host, status in (("shop.localhost", 200), ("open.localhost", 200), ("nobody.localhost", 404)):
        assert https.get(host).startswith(f"{status}")
        assert https.certificate(host) == https.presented["default"]


def test_plain_requests_are_sent_there_unless_an_app_allows_them(https: Https) -> None:
    with Client(https.service.target("shop"), seed=1) as client:
        for host in ("shop.localhost", "shop.example"):
            answer = client.ask("GET", "/a?b=c", host=host)
            assert (answer.status, answer.headers["location"]) == (308, f"https://{host}:{https.port}/a?b=c")
        assert client.ask("GET", "/", host="open.localhost").status == 200


def test_a_certificate_is_renewed_while_the_service_runs(https: Https) -> None:
    pid, rejections = https.service.pid, https.service.metric("scaler_proxy_rejections_total")
    with closing(https.connect("shop.example")) as open_connection:
        assert ask(open_connection, "shop.example").startswith("200")
        https.presented["shop"] = https.issue("shop", "shop.example")
        eventually(lambda: https.certificate("shop.example") == https.presented["shop"], what="the new certificate")
        assert https.certificate("shop.localhost") == https.presented["default"]
        assert ask(open_connection, "shop.example").startswith("200"), "connections stay"
    assert https.service.metric("scaler_proxy_rejections_total") == rejections
    https.presented["default"] = https.issue("default", "*.localhost")
    eventually(lambda: https.certificate("open.localhost") == https.presented["default"], what="the new default")
    assert https.service.pid == pid


def test_a_pair_that_does_not_belong_together_changes_nothing(https: Https) -> None:
    key, before = https.certificates / "shop.key", https.service.events("configuration_kept")
    good = key.read_bytes()
    trustme.CA().issue_cert("shop.example").private_key_pem.write_to_path(key)
    eventually(lambda: len(https.service.events("configuration_kept")) > len(before), what="the complaint")
    assert https.certificate("shop.example") == https.presented["shop"]
    key.write_bytes(good)
    eventually(
        lambda: (
            https.service.events("configuration_kept", "configuration_reloaded")[-1]["event"]
            == "configuration_reloaded"
        ),
        what="that it is mended",
    )
    assert https.get("shop.example").startswith("200")

"""What clients may send: hosts in any spelling, protocols, forged and broken requests, and what each is answered."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from scaler.testing import http_app
from scaler.testing.http_client import HELD, Client, Kind, Shape
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.polling import eventually

pytestmark = pytest.mark.services

KEPT = {**QUICK, "minReplicas": 1, "rules": [rule(concurrentRequests="100")]}
APPS = {
    "app": http_app.manifest("app", ingress={"customDomains": [{"name": "shop.example"}]}, scale=KEPT),
    "cold": http_app.manifest("cold", scale={**QUICK, "rules": [rule()]}),
    "calls": http_app.manifest("calls", script=http_app.RPC, ingress={"transport": "http2"}, scale=KEPT),
    "auto-calls": http_app.manifest("auto-calls", script=http_app.RPC, scale=KEPT),
    "closed": http_app.manifest(
        "closed",
        ingress={
            "ipSecurityRestrictions": [{"name": "others", "ipAddressRange": "192.0.2.0/24", "action": "Allow"}],
            "corsPolicy": {"allowedOrigins": ["https://shop.example"], "allowedMethods": ["GET"]},
        },
        scale=KEPT,
    ),
    "inner": http_app.manifest("inner", ingress={"external": False}, scale=KEPT),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpService]:
    service = HttpService(tmp_path_factory.mktemp("service"), list(APPS.values()))
    with service.running():
        for app in APPS.keys() - {"cold"}:
            service.wait_for_ready(app, 1)
        with Client(service.target("app"), seed=0) as client:
            for app in ("app", "closed"):
                eventually(lambda app=app: HELD not in client.ask("GET", "/", host=f"{app}.localhost").headers)
        yield service


@pytest.fixture
def client(service: HttpService) -> Iterator[Client]:
    with Client(service.target("app"), seed=1, shape=Shape(max_body=1_000_000, max_seconds=0.5)) as client:
        yield client


def raw(service: HttpService, request: bytes, *, within_s: float = 30.0) -> bytes:
    """Send these bytes, and return what comes until the connection is closed or the answer's head is there."""
    assert service.ingress_port is not None
    address = ("127.0.0.1", service.ingress_port)
    with closing(socket.create_connection(address, timeout=within_s)) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer and (block := connection.recv(65536)):
            answer += block
    return answer


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("app.localhost", id="as it is"),
        pytest.param("app.localhost:8480", id="with a port"),
        pytest.param("APP.LocalHost", id="upper case"),
        pytest.param("app.localhost.", id="trailing dot"),
        pytest.param("App.localhost.:1", id="all of it"),
        pytest.param("shop.example", id="custom domain"),
        pytest.param("SHOP.example.:443", id="custom domain, all of it"),
    ],
)
def test_a_host_is_found_in_any_spelling(client: Client, host: str) -> None:
    answer = client.ask("GET", "/", host=host)
    assert answer.status == 200, answer
    assert answer.headers["x-replica"].startswith("app--")


@pytest.mark.parametrize("host", ["nobody.localhost", "localhost", "127.0.0.1", "app.localhost.evil.example", "app"])
def test_a_host_that_is_nobody_s_is_not_found(client: Client, host: str) -> None:
    answer = client.ask("GET", "/", host=host)
    assert answer.status == 404
    assert answer.body.strip()


def test_an_app_for_others_only_is_not_found_from_outside(client: Client) -> None:
    assert client.ask("GET", "/", host="inner.localhost").status == 404


def test_an_app_that_left_the_manifest_is_not_found(tmp_path: Path) -> None:
    stays, goes = (http_app.manifest(name, scale=KEPT) for name in ("stays", "goes"))
    service = HttpService(tmp_path, [stays, goes])
    with service.running(), Client(service.target("goes"), seed=1) as client:
        assert client.ask("GET", "/").status == 200
        service.manifest.write_text(stays)
        service.reload()
        eventually(lambda: client.ask("GET", "/").status == 404, what="not found")
        assert client.ask("GET", "/", host="stays.localhost").status == 200


def seen_by_app(client: Client, headers: Mapping[str, str]) -> dict[str, list[str]]:
    answer = client.ask("GET", "/headers", headers=headers)
    assert answer.status == 200, answer
    found: dict[str, list[str]] = {}
    for line in answer.body.decode().splitlines():
        name, _, value = line.partition(": ")
        found.setdefault(name, []).append(value)
    return found


FORGED = {
    "x-forwarded-for": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "x-forwarded-host": "evil.example",
    "x-forwarded-client-cert": "Subject=admin",
    "forwarded": "for=203.0.113.7",
    "x-real-ip": "203.0.113.7",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "x-envoy-retry-on": "5xx",
    "x-envoy-original-path": "/admin",
    "x-envoy-internal": "true",
    "x-scaler-anything": "1",
    "x-ms-client-principal-name": "admin",
    "x_forwarded_for": "203.0.113.7",
}


def test_what_only_the_ingress_may_say_is_said_by_it_alone(client: Client) -> None:
    seen = seen_by_app(client, FORGED | {"x-mine": "kept"})
    assert seen["x-mine"] == ["kept"]
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["x-forwarded-proto"] == ["http"]
    assert seen["x-forwarded-host"] == ["app.localhost"]
    ours = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}
    assert {name.lower() for name in FORGED} & (seen.keys() - ours) == set()


def test_a_client_cannot_steer_the_proxy(client: Client) -> None:
    assert client.ask("GET", "/slow?seconds=0.3", headers=FORGED).status == 200
    assert client.ask("GET", "/status/500", headers=FORGED).status == 500


def test_a_client_cannot_pass_a_held_route_by_forged_headers(service: HttpService, client: Client) -> None:
    service.wait_for_zero("cold")
    answer = client.ask("GET", "/", host="cold.localhost", headers={HELD: "7", **FORGED})
    assert answer.status == 200
    assert answer.headers["x-replica"].startswith("cold--")
    assert HELD in answer.headers


HEAD = b"POST /echo HTTP/1.1\r\nhost: app.localhost\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(HEAD + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="both lengths"),
        pytest.param(HEAD + b"content-length: 4\r\ncontent-length: 5\r\n\r\nabcde", id="two lengths"),
        pytest.param(HEAD + b"content-length: 4, 5\r\n\r\nabcde", id="two lengths in one"),
        pytest.param(HEAD + b"content-length: +4\r\n\r\nabcd", id="signed length"),
        pytest.param(
            HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n", id="two codings"
        ),
        pytest.param(HEAD + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n", id="space before the colon"),
        pytest.param(HEAD + b"x: a\0b\r\ncontent-length: 0\r\n\r\n", id="zero byte"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(b"hello\r\n\r\n", id="not http"),
    ],
)
def test_a_request_that_can_be_read_in_two_ways_is_refused(
    service: HttpService, client: Client, request_: bytes
) -> None:
    answer = raw(service, request_)
    assert answer.split(b" ")[1][:3] in {b"400", b"501"}, answer
    assert client.ask("GET", "/").status == 200


def test_two_hosts_are_nobody_s(service: HttpService) -> None:
    """They count as one name, with a comma, that nobody has."""
    answer = raw(service, b"GET / HTTP/1.1\r\nhost: app.localhost\r\nhost: cold.localhost\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), answer


def test_a_head_of_64_kb_is_too_long(client: Client) -> None:
    assert client.ask("GET", "/", headers={"x-long": "a" * 32 * 1024}).status == 200
    assert client.ask("GET", "/", headers={"x-long": "a" * 64 * 1024}).status == 431
    assert client.ask("GET", "/", headers={f"x-{number}": "a" for number in range(200)}).status == 431


def test_a_head_that_never_ends_is_given_up(service: HttpService, client: Client) -> None:
    """As slowloris does: a byte now and then. Others are not kept waiting."""
    assert service.ingress_port is not None
    with closing(socket.create_connection(("127.0.0.1", service.ingress_port), timeout=30)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: app.localhost\r\n")
        connection.settimeout(0.2)
        answer, deadline = b"", time.monotonic() + 90
        while not answer and time.monotonic() < deadline:
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                connection.sendall(b"x")
                assert client.ask("GET", "/").status == 200
        assert answer.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("kind", [Kind.WEBSOCKET, Kind.HTTP2, Kind.POST_CHUNKED, Kind.STREAM])
@pytest.mark.parametrize("app", ["app", "cold"])
def test_every_protocol_reaches_an_app_that_runs_and_one_at_zero(service: HttpService, app: str, kind: Kind) -> None:
    if app == "cold":
        service.wait_for_zero(app)
    with Client(service.target(app), seed=1, shape=Shape(max_seconds=0.5)) as client:
        client.send(kind)
        assert client.tally.failure_count == 0, f"{client.tally}\n{service.log[-3000:]}"


@pytest.mark.parametrize("kind", [Kind.RPC, Kind.RPC_STREAM])
@pytest.mark.parametrize("app", ["calls", "auto-calls"])
def test_calls_reach_apps_that_speak_http2(service: HttpService, app: str, kind: Kind) -> None:
    with Client(service.rpc_target(app), seed=1, shape=Shape(max_seconds=0.5)) as client:
        client.send(kind)
        assert client.tally.failure_count == 0, f"{client.tally}\n{service.log[-3000:]}"


def test_another_protocol_than_websocket_is_not_upgraded_to(client: Client) -> None:
    answer = client.ask("GET", "/", headers={"connection": "upgrade", "upgrade": "something"})
    assert answer.status == 403
    assert client.ask("CONNECT", "app.localhost:80").status in {400, 404}


def test_a_client_from_elsewhere_is_not_let_in(client: Client) -> None:
    headers = {"x-forwarded-for": "192.0.2.1"}
    assert client.ask("GET", "/", host="closed.localhost", headers=headers).status == 403


def test_curl_and_browsers_find_it_by_its_name(service: HttpService) -> None:
    """`*.localhost` needs no resolver."""
    url = f"http://app.localhost:{service.ingress_port}/"
    curl = subprocess.run(["curl", "--silent", "--fail", url], capture_output=True, text=True, check=False, timeout=30)
    assert curl.returncode == 0
    assert '"replica"' in curl.stdout

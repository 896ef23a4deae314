"""What clients of a real Envoy are answered: by which names, by whom, and what is taken off and refused."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc.aio
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from scaler.ingress.settings import IngressSettings
from scaler.ingress.site import Backend
from scaler.ingress.xds.discovery import Discovery, SiteRejected
from scaler.ingress.xds.http_filters import LONGEST_BACKOFF_S
from scaler.model import AddressRestriction, CorsPolicy, CustomDomain, Endpoint
from scaler.testing.discovered_envoy import (
    Answer,
    Control,
    answers,
    envoy,
    free_address,
    free_port,
    get,
    let_go,
    replica,
    request,
    running,
    settings,
    site,
)
from scaler.testing.observing import eventually
from scaler.testing.polling import accepts

pytestmark = pytest.mark.services


class Served:
    """A running Envoy, its discovery, and a replica."""

    def __init__(self, control: Control, at: IngressSettings, port: int) -> None:
        self.control = control
        self.discovery = control.discovery
        self.at = at
        self.port = port

    async def put(self, name: str = "app", *, hot: bool = True, **ingress: object) -> None:
        self.discovery.put(site(name, self.port, hot=hot, **ingress))
        await self.discovery.acknowledged(name)
        # One listener takes connections a little later than another.
        for listen in (self.at.external, *self.at.internal):
            await answers(listen, "nobody", 404)
        assert self.at.tls is not None
        await eventually(lambda: asyncio.to_thread(accepts, self.at.tls.host, self.at.tls.port), bool)


@pytest.fixture
def given(tmp_path: Path) -> IngressSettings:
    ca = trustme.CA()
    for name, host in (("default", "default.example"), ("shop", "shop.example")):
        pair = ca.issue_cert(host)
        pair.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.crt")
        pair.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    return settings(internal=(free_address(),), tls=free_address(), certificates=tmp_path)


@pytest.fixture
async def served(given: IngressSettings, tmp_path: Path) -> AsyncIterator[Served]:
    async with running(Discovery(given), tmp_path) as control, envoy(tmp_path), replica("one") as port:
        control.discovery.start()
        yield Served(control, given, port)


def head_of(answer: Answer) -> dict[str, str]:
    """Return the headers that the replica was sent."""
    lines = answer.body.decode().split("\n", 1)[1].split("\r\n")[1:]
    return {key: value for key, _, value in (line.partition(": ") for line in lines) if key}


@pytest.mark.parametrize(
    "host",
    ["app.localhost", "app.localhost:8480", "APP.Localhost", "app.localhost.", "App.localhost.:1", "app.example"],
)
async def test_an_app_is_reached_by_its_names(served: Served, host: str) -> None:
    await served.put(allow_insecure=True, custom_domains=(CustomDomain("app.example"),))
    assert (await get(served.at.external, host)).status == 200


@pytest.mark.parametrize("host", ["app", "app.scaler.internal", "other.localhost", "xapp.localhost", "127.0.0.1"])
async def test_unknown_names_are_answered_404(served: Served, host: str) -> None:
    await served.put(allow_insecure=True)
    answer = await get(served.at.external, host)
    assert (answer.status, answer.headers["content-type"]) == (404, "text/plain")
    assert answer.body == b"No app is served under this host name.\n"
    assert "server" not in answer.headers
    assert served.control.held == []


async def test_a_hold_that_lasts_is_asked_for_once(served: Served) -> None:
    async def after_long(asked: object) -> object:
        await asyncio.sleep(LONGEST_BACKOFF_S * 1.5)
        return await let_go(asked)

    served.control.check = after_long
    await served.put(hot=False, allow_insecure=True)
    assert (await get(served.at.external, "app.localhost")).status == 200
    assert len(served.control.held) == 1


async def test_internal_apps_are_reached_from_inside_only(served: Served) -> None:
    await served.put(external=False)
    (inside,) = served.at.internal
    for host in ("app", "app.localhost", "app.scaler.internal"):
        assert (await answers(inside, host)).status == 200
        assert (await get(served.at.external, host)).status == 404


async def test_what_a_client_may_not_say_does_not_reach_the_app(served: Served) -> None:
    await served.put(allow_insecure=True)
    forged = (
        "X-Envoy-Upstream-Rq-Timeout-Ms: 1",
        "x-envoy-retry-on: 5xx",
        "X-Forwarded-For: 1.2.3.4",
        "x-forwarded-proto: https",
        "x-forwarded-host: evil",
        "X-Forwarded-Client-Cert: By=x",
        "Forwarded: for=1.2.3.4",
        "X-Real-IP: 1.2.3.4",
        "X-Scaler-App: other",
        "x-ms-client-principal: root",
        "x_forwarded_for: 1.2.3.4",
        "x-kept: yes",
    )
    sent = head_of(await get(served.at.external, "app.localhost:8480", *forged))
    assert sent == {
        "host": "app.localhost:8480",
        "x-kept": "yes",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "app.localhost:8480",
    }


async def test_plain_http_is_sent_to_https_unless_it_is_allowed(served: Served) -> None:
    await served.put()
    assert served.at.tls is not None
    answer = await request(served.at.external, "POST /a?b=c HTTP/1.1\nhost: app.localhost:1\ncontent-length: 0")
    assert answer.status == 308
    assert answer.headers["location"] == f"https://app.localhost:{served.at.tls.port}/a?b=c"
    assert (await get(served.at.internal[0], "app")).status == 200
    await served.put(allow_insecure=True)
    assert (await get(served.at.external, "app.localhost")).status == 200


async def test_each_domain_has_its_certificate(served: Served, given: IngressSettings) -> None:
    await served.put(custom_domains=(CustomDomain("shop.example", "shop"), CustomDomain("plain.example")))
    assert given.tls is not None
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    found = {}
    for host in ("shop.example", "plain.example", "unknown.example"):
        reader, writer = await asyncio.open_connection(
            given.tls.host, given.tls.port, ssl=context, server_hostname=host
        )
        writer.write(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        status = int((await reader.read()).split()[1])
        presented = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        found[host] = (status, presented)
        writer.close()
    assert [status for status, _ in found.values()] == [200, 200, 404]
    assert given.certificates is not None
    of_shop = ssl.PEM_cert_to_DER_cert((given.certificates / "shop.crt").read_text())
    assert [pair == of_shop for _, pair in found.values()] == [True, False, False]


@pytest.mark.parametrize(
    ("mode", "ranges", "status"),
    [
        ("allow", ("10.0.0.0/8",), 403),
        ("allow", ("10.0.0.0/8", "127.0.0.0/8"), 200),
        ("allow", (), 403),
        ("deny", ("127.0.0.1/32",), 403),
        ("deny", ("10.0.0.0/8",), 200),
        ("deny", (), 200),
    ],
)
async def test_restrictions_come_before_the_hold(
    served: Served,
    mode: str,
    ranges: tuple[str, ...],
    status: int,
) -> None:
    await served.put(hot=False, allow_insecure=True, restriction=AddressRestriction(mode == "allow", ranges))
    forged = "x-forwarded-for: 10.1.1.1"
    assert (await get(served.at.external, "app.localhost", forged)).status == status
    assert len(served.control.held) == (status == 200)


async def test_preflights_are_answered_without_waking_the_app(served: Served) -> None:
    policy = CorsPolicy(("https://*.example",), ("GET", "PUT"), ("x-a",), ("x-b",), 60, allow_credentials=True)
    await served.put(hot=False, allow_insecure=True, cors=policy)
    for origin, allowed in (("https://a.example", "https://a.example"), ("https://evil.test", None)):
        head = f"OPTIONS / HTTP/1.1\nhost: app.localhost\norigin: {origin}\naccess-control-request-method: PUT"
        answer = await request(served.at.external, head)
        assert answer.status == 200
        assert answer.headers.get("access-control-allow-origin") == allowed
    assert served.control.held == []
    answer = await get(served.at.external, "app.localhost", "origin: https://a.example")
    assert (answer.headers["access-control-expose-headers"], len(served.control.held)) == ("x-b", 1)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1\nhost: app.localhost\nx-long: " + "a" * 65536, 431),
        ("GET / HTTP/1.1\nhost: app.localhost\n" + "\n".join(f"x-{n}: 1" for n in range(101)), 431),
        ("POST / HTTP/1.1\nhost: app.localhost\ncontent-length: 3\ntransfer-encoding: chunked", 400),
        ("POST / HTTP/1.1\nhost: app.localhost\ncontent-length: 3\ncontent-length: 4", 400),
        ("POST / HTTP/1.1\nhost: app.localhost\ntransfer-encoding: chunked, chunked", 501),
        ("POST / HTTP/1.1\nhost: app.localhost\ntransfer-encoding: xchunked", 501),
        ("GET / HTTP/1.1\nhost: app.localhost\nhost: b.localhost", 404),
        ("GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1\nhost: app.localhost\nbad name: 1", 400),
        ("GET / HTTP/1.1\nhost: app.localhost\nx : 1", 400),
        ("CONNECT app.localhost:80 HTTP/1.1\nhost: app.localhost", 404),
        ("GET / HTTP/1.0\nhost: app.localhost", 200),
        ("GET http://app.localhost/ HTTP/1.1\nhost: other.localhost", 200),
        ("GET / HTTP/1.1\nhost: app.localhost\nupgrade: h2c, foo\nconnection: upgrade, http2-settings", 403),
        ("GET / HTTP/1.1\nhost: app.localhost\nupgrade: h2c\nhttp2-settings: AAMAAABkAAQAAP__", 200),
    ],
)
async def test_malformed_and_unusual_requests(served: Served, head: str, status: int) -> None:
    await served.put(allow_insecure=True)
    assert (await request(served.at.external, head)).status == status
    assert (await get(served.at.external, "app.localhost")).status == 200


async def test_a_websocket_passes(served: Served) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b"upgrade: websocket" in head
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        writer.write(await reader.readexactly(4))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for hot in (False, True):
        app = site("ws", port, hot=hot, allow_insecure=True)
        served.discovery.put(app)
        await served.discovery.acknowledged("ws")
        await answers(served.at.external, "nobody", 404)
        reader, writer = await asyncio.open_connection(served.at.external.host, served.at.external.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: ws.localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        writer.close()
    server.close()


async def test_a_replica_that_is_gone_costs_no_request(served: Served) -> None:
    app = site("app", served.port, free_port(), free_port(), allow_insecure=True)
    served.discovery.put(app)
    await served.discovery.acknowledged("app")
    await answers(served.at.external, "nobody", 404)
    body = b"x" * 100_000
    head = f"POST / HTTP/1.1\nhost: app.localhost\ncontent-length: {len(body)}"
    for _ in range(20):
        assert (await get(served.at.external, "app.localhost")).status == 200
        assert (await request(served.at.external, head, body)).status == 200


async def test_no_replica_takes_it(served: Served) -> None:
    served.discovery.put(site("app", free_port(), allow_insecure=True))
    await served.discovery.acknowledged("app")
    await answers(served.at.external, "nobody", 404)
    answer = await get(served.at.external, "app.localhost")
    assert (answer.status, answer.body) == (503, b"No replica of the app took the request. Try again.\n")


async def test_a_draining_replica_gets_nothing_new(served: Served) -> None:
    async with replica("two") as other:
        app = site("app", served.port, other, allow_insecure=True)
        draining = Backend("x", Endpoint("127.0.0.1", other), draining=True)
        served.discovery.put(replace(app, backends=(app.backends[0], draining)))
        await served.discovery.acknowledged("app")
        await answers(served.at.external, "nobody", 404)
        said = {(await get(served.at.external, "app.localhost")).body[:3] for _ in range(30)}
        assert said == {b"one"}


async def test_headers_that_do_not_come_are_answered_408(served: Served) -> None:
    await served.put(allow_insecure=True)
    reader, writer = await asyncio.open_connection(served.at.external.host, served.at.external.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: app.loc")
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 60)
    writer.close()


async def test_the_request_time_out_counts_from_the_release(served: Served) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    release = asyncio.Event()
    let_go = served.control.check

    async def hold(call: object) -> object:
        await release.wait()
        return await let_go(call)

    served.control.check = hold
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    served.discovery.put(site("slow", port, hot=False, allow_insecure=True, request_timeout_s=0.5))
    await served.discovery.acknowledged("slow")
    await answers(served.at.external, "nobody", 404)
    asking = asyncio.create_task(get(served.at.external, "slow.localhost"))
    await asyncio.wait((asking,), timeout=1.5)
    assert not asking.done()
    release.set()
    assert (await asking).status == 504
    server.close()


async def test_grpc_passes_end_to_end_held_and_hot(served: Served) -> None:
    async def double(numbers: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        async for number in numbers:
            yield number * 2

    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(double)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.B", {"Double": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    for hot in (False, True):
        served.discovery.put(site("rpc", port, hot=hot, allow_insecure=True))
        await served.discovery.acknowledged("rpc")
        await answers(served.at.external, "nobody", 404)
        options = [("grpc.default_authority", "rpc.localhost")]
        async with grpc.aio.insecure_channel(str(served.at.external), options=options) as channel:
            call = channel.stream_stream("/a.B/Double")(iter((b"a", b"b")))
            assert [each async for each in call] == [b"aa", b"bb"]
            unknown = channel.unary_unary("/a.B/Other")
            with pytest.raises(grpc.aio.AioRpcError, match="UNIMPLEMENTED"):
                await unknown(b"")
    await server.stop(None)


def weak_pair(folder: Path, name: str) -> None:
    """Write a certificate with a key that OpenSSL loads, and Envoy does not."""
    key = ec.generate_private_key(ec.SECP256K1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def test_a_certificate_that_envoy_does_not_take_costs_its_app_alone(served: Served, tmp_path: Path) -> None:
    weak_pair(tmp_path, "weak")
    await served.put("good", custom_domains=(CustomDomain("shop.example", "shop"),))
    served.discovery.put(site("bad", served.port, custom_domains=(CustomDomain("bad.example", "weak"),)))
    with pytest.raises(SiteRejected, match=r"(?i)certificate|curve|key"):
        await served.discovery.acknowledged("bad")
    assert (await get(served.at.internal[0], "good")).status == 200
    await served.put("bad", custom_domains=(CustomDomain("bad.example"),))
    assert (await get(served.at.internal[0], "bad.example")).status == 200

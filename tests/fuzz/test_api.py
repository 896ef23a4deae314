"""The HTTP API asked for what it does not foresee: no crash, nothing undocumented, nothing but its own files."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress

import psutil
import pytest
import schemathesis
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events

from scaler.testing import http_app
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.servers.process import free_port

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

# As many names as may be asked for, and requests of each kind.
EXAMPLES = 60
METHODS_REFUSED = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "CONNECT", "x" * 5000)
PATIENCE_S = 60.0
MOST_MEMORY_BYTES = 64 * 1024 * 1024
FLOOD_BYTES = 128 * 1024 * 1024


def lost(address: str) -> str:
    """Return the manifest of a worker whose source does not answer."""
    custom = {"type": "redis", "metadata": {"address": address, "listName": "jobs"}}
    scale = {**QUICK, "rules": [{"name": "jobs", "custom": custom}]}
    template = {"containers": [{"name": "main", "image": "none", "command": ["sleep", "1000"]}], "scale": scale}
    return json.dumps({"type": "Microsoft.App/containerApps", "name": "lost", "properties": {"template": template}})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpService]:
    scale = {**QUICK, "minReplicas": 1, "rules": [rule(concurrentRequests="2")]}
    shop = http_app.manifest("shop", grace_s=1, scale=scale)
    service = HttpService(tmp_path_factory.mktemp("api"), [shop, lost(f"127.0.0.1:{free_port()}")])
    with service.running():
        yield service
        # Whatever was asked: it lives, and has had no bug.
        assert service.runs
        assert exchange(service, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")[0] == 200
        assert "Traceback" not in service.log


@pytest.mark.parametrize("names", [{}, {"path.name": "shop"}, {"path.name": "lost"}], ids=["any", "app", "outage"])
def test_it_keeps_to_its_schema(service: HttpService, names: dict[str, str]) -> None:
    settings = {
        "seed": 6,
        "parameters": names,
        "generation": {"max-examples": EXAMPLES, "deterministic": True, "no-shrink": True, "database": "none"},
        "request-timeout": PATIENCE_S,
        "phases": {"stateful": {"enabled": False}},
    }
    address = f"http://{service.api.address}/openapi.json"
    schema = schemathesis.openapi.from_url(address, config=SchemathesisConfig.from_dict(settings))
    statuses: Counter[tuple[str, int]] = Counter()
    broken = []
    for event in engine.from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            broken.append(f"{event.label}: {event.value!r}")
        assert not isinstance(event, events.FatalError), event
        if isinstance(event, events.ScenarioFinished):
            for name, checks in event.recorder.checks.items():
                asked = event.recorder.interactions[name].request
                failures = [check.failure_info.failure for check in checks if check.failure_info is not None]
                broken += [f"{asked.method} {asked.uri}: {failure!r}" for failure in failures]
            for interaction in event.recorder.interactions.values():
                if interaction.response is not None:
                    statuses[event.recorder.label, interaction.response.status_code] += 1
    assert broken == []
    # It was asked indeed, for what is there and for what is not, and by methods that there are none of.
    operations = {label for label, _ in statuses}
    assert operations == {f"GET {path}" for path in schema.raw_schema["paths"]}
    assert all(statuses[label, 405] for label in operations)
    assert all(statuses[label, 200 if names or "{name}" not in label else 404] for label in operations)


def exchange(service: HttpService, request: bytes, *, ends: bool = False) -> tuple[int | None, bytes]:
    """Send bytes; return the first status and all that came, None where the connection was closed without a word."""
    host, _, port = service.api.address.rpartition(":")
    answer = b""
    with closing(socket.create_connection((host, int(port)), timeout=PATIENCE_S)) as client:
        # A server that has said no may close before it has read the rest.
        with suppress(OSError):
            client.sendall(request)
            if ends:
                client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while part := client.recv(65536):
                answer += part
    return (int(answer.split()[1]) if answer else None), answer


def request(line: bytes, *headers: bytes, host: bytes = b"localhost") -> bytes:
    return b"\r\n".join((line, b"Host: " + host, b"Connection: close", *headers, b"", b""))


@pytest.mark.parametrize(
    "path",
    [
        *("/page/../api.py", "/page/%2e%2e/api.py", "/%2e%2e/", "/page/..%2fapi.py", "/page/%2fetc%2fpasswd"),
        *("/page/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/page/..%5capi.py", "/page/%252e%252e%252fapi.py", "/page/"),
        *("/page/index.html%00", "/page/index.html%00.css", "/page/page.js/", "/page/index.html.py", "//etc/passwd"),
        *("/v1/workloads/%00", "/v1/workloads/%ff%fe", "/v1/workloads/..%2f..%2fmetrics", "/page/__init__.py", "*"),
        *("/v1/workloads/" + "a" * 30_000, "/v1/workloads/%1b%5b2J", "/v1/workloads/%0d%0aX:y", "/V1/workloads"),
        *("/docs", "/redoc", "http://x/healthz"),
    ],
    ids=lambda path: path[:40],
)  # fmt: skip
def test_there_is_nothing_but_its_own_files(service: HttpService, path: str) -> None:
    status, answer = exchange(service, request(f"GET {path} HTTP/1.1".encode()))
    assert status in {404, 307}
    # Where to, if anywhere: here.
    assert status == 404 or b"\r\nlocation: http://localhost/" in answer
    assert b"import" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize("path", ["/", "/page/index.html", "/healthz", "/v1/workloads/shop", "/v1/events"])
def test_it_can_only_be_read(service: HttpService, path: str) -> None:
    statuses = {
        method: exchange(service, request(f"{method} {path} HTTP/1.1".encode()))[0] for method in METHODS_REFUSED
    }
    assert statuses == dict.fromkeys(METHODS_REFUSED, 405)


NO_HOST = b"GET /healthz HTTP/1.1\r\nConnection: close\r\n"
GET = b"GET /healthz HTTP/1.1"
# What is closed before all of it was read may be reset before the answer is.
LARGE = {400, None}
ABSOLUTE = b"GET http://localhost/healthz HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"
TWO_ENDS = request(GET, CHUNKED, b"Content-Length: 5") + b"0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(b"\0" * 100 + b"\r\n\r\n", {400}, id="zeros"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 300, {400}, id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9, {400, 404}, id="HTTP/2"),
        pytest.param(b"GET /\r\n\r\n", {400}, id="HTTP/0.9"),
        pytest.param(b"GET /page/\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}, id="NUL in the path"),
        pytest.param(b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}, id="no path"),
        pytest.param(NO_HOST + b"\r\n", {400}, id="no host"),
        pytest.param(NO_HOST + b"Host: localhost\r\nHost: evil.example\r\n\r\n", {400}, id="two hosts"),
        pytest.param(request(GET, host=b"evil.example"), {421}, id="another host"),
        pytest.param(request(GET, host=b"localhost.evil.example"), {421}, id="a host that begins as ours"),
        pytest.param(request(GET, host=b"evil.example/localhost"), {421}, id="a host with a path"),
        pytest.param(request(GET, host=b"localhost@evil.example"), {421}, id="a host with a user"),
        pytest.param(request(GET, host=b"local host\xff"), {421}, id="a host of other bytes"),
        pytest.param(request(GET, host=b""), {421}, id="an empty host"),
        pytest.param(request(ABSOLUTE, host=b"evil.example"), {421}, id="hosts that differ"),
        pytest.param(request(GET, b"X: " + b"a" * 200_000), LARGE, id="a long header"),
        pytest.param(request(GET, b"X: a\0b"), {400}, id="NUL in a header"),
        pytest.param(request(GET, b"no colon"), {400}, id="no header"),
        pytest.param(request(GET, b"Content-Length: -1"), {400}, id="a length below zero"),
        pytest.param(request(GET, b"Content-Length: 1", b"Content-Length: 2"), {400}, id="two lengths"),
        pytest.param(request(GET, b"Transfer-Encoding: x"), {400, 501}, id="another encoding"),
        # These are answered, once, before the body was understood; what follows is no second request.
        pytest.param(request(GET, CHUNKED) + b"zz\r\n", {200, 400}, id="no size of a chunk"),
        pytest.param(request(GET, CHUNKED) + b"7fffffffffffffff\r\nab", {200, 400}, id="a large chunk"),
        pytest.param(request(GET, CHUNKED) + b"0" * 50_000, {200, *LARGE}, id="an endless size of a chunk"),
        pytest.param(TWO_ENDS, {200, 400}, id="two ends"),
    ],
)  # fmt: skip
def test_nonsense_is_refused(service: HttpService, sent: bytes, expected: set[int | None]) -> None:
    status, answer = exchange(service, sent, ends=True)
    assert status in expected
    assert b"scaler_" not in answer
    assert b"Traceback" not in answer


def test_half_a_request_is_no_request(service: HttpService) -> None:
    assert exchange(service, b"GET /healthz HTTP/1.1\r\nHost: loc", ends=True) == (None, b"")


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(b"", id="a line"),
        pytest.param(GET + b"\r\nX: ", id="a header"),
        pytest.param(request(b"POST /healthz HTTP/1.1", b"Content-Length: 99999999999"), id="a body"),
        pytest.param(request(GET, b"Content-Length: 99999999999"), id="a body that is not read"),
    ],
)
def test_what_has_no_end_takes_no_memory(service: HttpService, begin: bytes) -> None:
    host, _, port = service.api.address.rpartition(":")
    process = psutil.Process(service.pid)
    before, chunk, sent = process.memory_info().rss, b"a" * 65536, 0
    with closing(socket.create_connection((host, int(port)), timeout=5)) as client:
        # It closes, or reads no further.
        with suppress(ConnectionError, TimeoutError):
            client.sendall(begin)
            while sent < FLOOD_BYTES:
                sent += client.send(chunk)
        assert process.memory_info().rss - before < MOST_MEMORY_BYTES


def test_events_are_told_to_whom_it_serves_only(service: HttpService) -> None:
    host, _, port = service.api.address.rpartition(":")
    line = b"GET /v1/events HTTP/1.1"
    assert exchange(service, request(line, host=b"evil.example"))[0] == 421
    with (
        closing(socket.create_connection((host, int(port)), timeout=PATIENCE_S)) as client,
        client.makefile("rb") as told,
    ):
        # What would be a message to it is of no account.
        client.sendall(request(line, b"Last-Event-ID: ../../x") + b'{"replicas": 0}')
        assert told.readline() == b"HTTP/1.1 200 OK\r\n"
        headers = b"".join(iter(told.readline, b"\r\n"))
        assert b"text/event-stream" in headers
        assert b"x-content-type-options: nosniff" in headers
        lines = (each.rstrip() for each in told)
        assert "hello" in next(each for each in lines if each.startswith(b"event:")).decode()
        data = next(each for each in lines if each.startswith(b"data:"))
        assert {"shop", "lost"} <= set(json.loads(data.removeprefix(b"data:"))["names"])

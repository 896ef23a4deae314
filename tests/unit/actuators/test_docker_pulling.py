"""Pulls as engines elsewhere answer them: over TLS, and with what they say when a pull fails."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from docker.tls import TLSConfig

from scaler.actuators.docker.pulling import Engine, engine_of, pull
from scaler.ports.errors import ActuatorError, EngineUnavailable, RegistryUnavailable, ReplicaRejected


class Answering:
    """Answers each pull as it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.lines: list[dict[str, object]] = [{"status": "Pull complete"}]
        self.asked: list[web.Request] = []

    async def pull(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        return web.Response(status=self.status, text="\n".join(map(json.dumps, self.lines)))


@pytest.fixture
def answering() -> Answering:
    return Answering()


@pytest.fixture
async def server(answering: Answering) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_post("/v1.41/images/create", answering.pull)
    async with TestServer(app) as server:
        yield server


async def test_an_engine_that_asks_for_a_certificate_gets_it(answering: Answering, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine = authority.issue_cert("scaler")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    mine.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("127.0.0.1").configure_cert(context)
    app = web.Application()
    app.router.add_post("/v1.41/images/create", answering.pull)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    files = TLSConfig(
        client_cert=(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")),
        ca_cert=str(tmp_path / "ca.pem"),
        verify=True,
    )
    try:
        with docker.APIClient(base_url=f"tcp://127.0.0.1:{server.port}", version="1.41", tls=files) as api:
            engine = engine_of(api)
        await pull(engine, "registry.example:5000/team/app:v1", base64.b64encode(b"{}"))
    finally:
        await server.close()
    (request,) = answering.asked
    assert dict(request.query) == {"fromImage": "registry.example:5000/team/app", "tag": "v1"}
    assert request.headers["X-Registry-Auth"] == "e30="


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('Get "http://r:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', RegistryUnavailable),
        ("received unexpected HTTP status: 503 Service Unavailable", RegistryUnavailable),
        ("unexpected status from HEAD request to http://r/v2/x: 502 Bad Gateway for it", RegistryUnavailable),
        ("toomanyrequests: You have reached your pull rate limit.", RegistryUnavailable),
        ("unexpected EOF", RegistryUnavailable),
        ("unauthorized: authentication required", ReplicaRejected),
        ("pull access denied for x, repository does not exist", ReplicaRejected),
        ("no matching manifest for linux/arm64 in the manifest list entries", ReplicaRejected),
        ("x509: certificate signed by unknown authority", ReplicaRejected),
    ],
)
@pytest.mark.parametrize("status", [200, 500])
async def test_what_time_heals_is_told_from_what_someone_must_mend(
    answering: Answering, server: TestServer, text: str, kind: type[ActuatorError], status: int
) -> None:
    answering.status = status
    answering.lines = [{"error": text} if status == 200 else {"message": text}]
    with pytest.raises(kind, match="image app:v1 cannot be pulled"):
        await pull(Engine(f"http://127.0.0.1:{server.port}/v1.41", None, tls=True), "app:v1", None)


async def test_an_engine_that_is_gone_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable):
        await pull(Engine("http://docker/v1.41", str(tmp_path / "none.sock"), tls=True), "app:v1", None)

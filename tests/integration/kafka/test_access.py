"""Who may read: SASL of every kind, TLS, client certificates, permissions. Secrets show in no error."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from aiohttp import web
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S, POLL_S, Wakeups, read, read_after_outage
from scaler.testing.leaks import no_leaks, until
from scaler.testing.servers.kafka import KafkaServer
from scaler.testing.servers.kafka_records import KafkaRecords
from scalers.kafka.kafka import KafkaScaler

pytestmark = pytest.mark.services

USER, PASSWORD = "worker", "correct-horse"
USER_AND_PASSWORD = {"username": USER, "password": PASSWORD}
GROUP, TOPIC = "workers", "jobs"


@pytest.fixture(autouse=True)
async def _seven_records(records: KafkaRecords) -> None:
    await records.create_topic(TOPIC)
    await records.set_lag(GROUP, TOPIC, 7)


@asynccontextmanager
async def opened(address: str, **parameters: str) -> AsyncIterator[Any]:
    config = KafkaScaler.Config.model_validate(
        {"bootstrapServers": address, "consumerGroup": GROUP, "topic": TOPIC, **parameters}
    )
    async with no_leaks(), SharedConnections() as connections, KafkaScaler.open(config, connections) as scaler:
        yield scaler


async def value(address: str, **parameters: str) -> float | None:
    async with opened(address, **parameters) as scaler:
        return (await read_after_outage(scaler)).value


async def answered(scaler: Any) -> float | None:
    try:
        return (await read(scaler)).value
    except SourceRejected:
        return None


async def rejection(address: str, **parameters: str) -> str:
    async with opened(address, **parameters) as scaler:
        for _ in range(2):
            with pytest.raises(SourceRejected) as caught:
                await read(scaler)
    assert "horse" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def client_certificate(ca: trustme.CA) -> dict[str, str]:
    issued = ca.issue_cert("scaler")
    return {
        "ca": ca.cert_pem.bytes().decode(),
        "cert": issued.cert_chain_pems[0].bytes().decode(),
        "key": issued.private_key_pem.bytes().decode(),
    }


@pytest.mark.parametrize("sasl", ["plaintext", "scram_sha256", "scram_sha512"])
async def test_sasl_with_a_password(server: KafkaServer, ca: trustme.CA, sasl: str) -> None:
    assert await value(server.sasl_address, sasl=sasl, **USER_AND_PASSWORD) == 7
    tls = {"tls": "enable", "ca": ca.cert_pem.bytes().decode()}
    assert await value(server.sasl_tls_address, sasl=sasl, **USER_AND_PASSWORD, **tls) == 7


@pytest.mark.parametrize("sasl", ["plaintext", "scram_sha256", "scram_sha512"])
async def test_a_wrong_password_or_user_is_rejected(server: KafkaServer, sasl: str) -> None:
    for credentials in ({"username": USER, "password": "battery-horse"}, {"username": "none", "password": PASSWORD}):
        assert "uthentication failed" in await rejection(server.sasl_address, sasl=sasl, **credentials)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain key", "encrypted key"])
async def test_a_client_certificate_opens_a_server_that_asks_for_one(
    server: KafkaServer, client_certificate: dict[str, str], *, encrypted: bool
) -> None:
    if encrypted:
        private = load_pem_private_key(client_certificate["key"].encode(), None)
        locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode()))
        client_certificate |= {"key": locked.decode(), "keyPassword": PASSWORD}
    assert await value(server.tls_address, tls="enable", **client_certificate) == 7


async def test_a_certificate_of_an_unknown_authority_is_rejected(
    server: KafkaServer, client_certificate: dict[str, str]
) -> None:
    for authority in ({}, {"ca": trustme.CA().cert_pem.bytes().decode()}):
        given = {name: text for name, text in client_certificate.items() if name != "ca"} | authority
        assert "not trusted" in await rejection(server.tls_address, tls="enable", **given)


async def test_unsafe_ssl_reads_from_any_server(server: KafkaServer) -> None:
    assert (
        await value(server.sasl_tls_address, tls="enable", unsafeSsl="true", sasl="plaintext", **USER_AND_PASSWORD) == 7
    )


async def test_without_the_certificate_that_the_server_asks_for_it_is_rejected(
    server: KafkaServer, ca: trustme.CA
) -> None:
    assert "TLS" in await rejection(server.tls_address, tls="enable", ca=ca.cert_pem.bytes().decode())


async def test_tls_where_there_is_none_and_none_where_there_is(server: KafkaServer, ca: trustme.CA) -> None:
    async with opened(server.address, tls="enable", ca=ca.cert_pem.bytes().decode()) as scaler:
        with pytest.raises((SourceRejected, SourceUnavailable), match="ended the TLS handshake"):
            await read(scaler)
    async with opened(server.tls_address) as scaler:
        with pytest.raises(SourceUnavailable):
            await read(scaler)


async def test_sasl_where_there_is_none_and_none_where_there_is(server: KafkaServer) -> None:
    assert "sasl" in (await rejection(server.address, sasl="plaintext", **USER_AND_PASSWORD)).lower()
    async with opened(server.sasl_address) as scaler:
        with pytest.raises(SourceUnavailable):
            await read(scaler)


class TokenServer:
    """Issues unsecured tokens, or what a test says, and counts."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.lifetime_s = 3600
        self.token: str | None = None
        self.status = 200

    async def issue(self, request: web.Request) -> web.Response:
        user, _, password = base64.b64decode(request.headers["Authorization"].split()[1]).decode().partition(":")
        form = await request.post()
        self.requests.append((user, str(form.get("scope"))))
        if password != PASSWORD:
            return web.json_response({"error": "invalid_client"}, status=401)
        token = self.token or unsecured_token(self.lifetime_s)
        return web.json_response({"access_token": token, "expires_in": self.lifetime_s}, status=self.status)


def unsecured_token(lifetime_s: int) -> str:
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": USER, "iat": now, "exp": now + lifetime_s})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@pytest.fixture
async def tokens() -> AsyncIterator[tuple[TokenServer, dict[str, str]]]:
    issuer = TokenServer()
    app = web.Application()
    app.router.add_post("/token", issuer.issue)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]
    yield (
        issuer,
        {
            **USER_AND_PASSWORD,
            "sasl": "oauthbearer",
            "oauthTokenEndpointUri": f"http://127.0.0.1:{port}/token",
            "scopes": "read, describe",
            "oauthExtensions": "logicalCluster=lkc-1",
        },
    )
    await runner.cleanup()


async def test_oauthbearer_gets_one_token_for_all_connections(
    server: KafkaServer, tokens: tuple[TokenServer, dict[str, str]]
) -> None:
    issuer, parameters = tokens
    async with opened(server.sasl_address, **parameters) as scaler, Wakeups(scaler) as wakeups:
        assert (await read_after_outage(scaler)).value == 7
        await until(lambda: wakeups.count > 0)
        await wakeups.settle()
        assert wakeups.count == 1
    assert issuer.requests == [(USER, "read describe")]


async def test_a_token_that_the_broker_refuses_is_rejected_and_fetched_anew(
    server: KafkaServer, tokens: tuple[TokenServer, dict[str, str]]
) -> None:
    issuer, parameters = tokens
    issuer.token = unsecured_token(-3600)
    async with opened(server.sasl_address, **parameters) as scaler:
        with pytest.raises(SourceRejected, match="refused the token"):
            await read(scaler)
        issuer.token = None
        async with asyncio.timeout(DEADLINE_S):
            while (found := await answered(scaler)) is None:
                await asyncio.sleep(POLL_S)
        assert found == 7


async def test_a_client_that_the_token_server_refuses_is_rejected(
    server: KafkaServer, tokens: tuple[TokenServer, dict[str, str]]
) -> None:
    _, parameters = tokens
    assert "401" in await rejection(server.sasl_address, **{**parameters, "password": "battery-horse"})


async def test_a_token_server_that_is_down_is_unavailable(
    server: KafkaServer, tokens: tuple[TokenServer, dict[str, str]]
) -> None:
    issuer, parameters = tokens
    issuer.status = 503
    for given in (parameters, {**parameters, "oauthTokenEndpointUri": "http://127.0.0.1:9/token"}):
        async with opened(server.sasl_address, **given) as scaler:
            with pytest.raises(SourceUnavailable, match="token endpoint"):
                await read(scaler)

"""Who may ask a real Prometheus: TLS, client certificates, passwords. Secrets show in no error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceRejected
from scaler.testing.driving import read
from scaler.testing.servers.metrics_endpoint import MetricsEndpoint, Page
from scaler.testing.servers.prometheus import PrometheusServer
from scalers.prometheus.query import PrometheusScaler

pytestmark = pytest.mark.services

SECRET = "open-sesame"  # noqa: S105 - of a server for one test
# bcrypt of it.
HASH = "$2b$04$abcdefghijklmnopqrstuuXcjcm5avyCiJoD2uS24xa2lb6fjMB3G"
BASIC = {"authModes": "basic", "username": "worker", "password": SECRET}


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_pem(ca: trustme.CA) -> str:
    return ca.cert_pem.bytes().decode()


@pytest.fixture(scope="module")
def client(ca: trustme.CA) -> dict[str, str]:
    issued = ca.issue_cert("worker")
    return {
        "cert": issued.cert_chain_pems[0].bytes().decode(),
        "key": issued.private_key_pem.bytes().decode(),
    }


def tls_config(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory, **more: str) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    issued = ca.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "server.pem")
    issued.private_key_pem.write_to_path(folder / "server.key")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    return {"cert_file": str(folder / "server.pem"), "key_file": str(folder / "server.key"), **more}


@pytest.fixture(scope="module")
def server(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    web = {"tls_server_config": tls_config(ca, tmp_path_factory), "basic_auth_users": {"worker": HASH}}
    with PrometheusServer.running(web=web) as running:
        yield running


@pytest.fixture(scope="module")
def demanding(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """One that asks for a client certificate."""
    tls = tls_config(ca, tmp_path_factory, client_auth_type="RequireAndVerifyClientCert")
    tls["client_ca_file"] = tls["cert_file"].replace("server.pem", "ca.pem")
    with PrometheusServer.running(web={"tls_server_config": tls}) as running:
        yield running


@asynccontextmanager
async def opened(server: PrometheusServer, **parameters: str) -> AsyncIterator[Any]:
    given = {"serverAddress": server.url, "query": "vector(7)", "threshold": "5", **parameters}
    config = PrometheusScaler.Config.model_validate(given)
    async with SharedConnections() as connections, PrometheusScaler.open(config, connections) as scaler:
        yield scaler


async def rejected(server: PrometheusServer, **parameters: str) -> str:
    async with opened(server, **parameters) as scaler:
        with pytest.raises(SourceRejected) as caught:
            await read(scaler)
    assert "sesame" not in str(caught.value)
    return str(caught.value)


async def test_tls_and_a_password(server: PrometheusServer, ca_pem: str) -> None:
    async with opened(server, ca=ca_pem, **BASIC) as scaler:
        assert (await read(scaler)).value == 7


async def test_the_password_may_stand_in_the_url(server: PrometheusServer, ca_pem: str) -> None:
    url = server.url.replace("://", f"://worker:{SECRET}@")
    async with opened(server, serverAddress=url, ca=ca_pem) as scaler:
        assert (await read(scaler)).value == 7
    assert "401" in await rejected(server, serverAddress=f"{url[:8]}x{url[8:]}", ca=ca_pem)


async def test_a_server_that_is_not_verified(server: PrometheusServer) -> None:
    async with opened(server, unsafeSsl="true", **BASIC) as scaler:
        assert (await read(scaler)).value == 7


async def test_an_authority_that_is_not_trusted_is_rejected(server: PrometheusServer) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    assert "not trusted" in await rejected(server, ca=other, **BASIC)
    assert "not trusted" in await rejected(server, **BASIC)


async def test_wrong_or_no_credentials_are_rejected(server: PrometheusServer, ca_pem: str) -> None:
    assert "401" in await rejected(server, ca=ca_pem)
    assert "401" in await rejected(server, ca=ca_pem, authModes="bearer", bearerToken=SECRET)


async def test_a_client_certificate(demanding: PrometheusServer, ca_pem: str, client: dict[str, str]) -> None:
    async with opened(demanding, authModes="tls", ca=ca_pem, **client) as scaler:
        assert (await read(scaler)).value == 7


async def test_plain_http_to_a_server_with_tls_is_rejected(server: PrometheusServer) -> None:
    await rejected(server, serverAddress=server.url.replace("https", "http"), **BASIC)


async def test_headers_and_parameters_are_sent() -> None:
    with MetricsEndpoint.running() as front:
        needs = {"X-Scope-OrgID": "north", "X-K": SECRET}
        front.show("/api/v1/query", Page('{"data": {"result": [{"value": [1, "7"]}]}}', needs=needs))
        config = PrometheusScaler.Config.model_validate(
            {
                "serverAddress": front.url,
                "query": "a + b",
                "threshold": "1",
                "namespace": "jobs",
                "queryParameters": "dedup=true,x=1",
                "customHeaders": "X-Scope-OrgID=north",
                "authModes": "custom",
                "customAuthHeader": "X-K",
                "customAuthValue": SECRET,
            }
        )
        async with SharedConnections() as connections, PrometheusScaler.open(config, connections) as scaler:
            assert (await read(scaler)).value == 7
        [request] = front.requests()
        assert request["query"] == {"query": "a + b", "namespace": "jobs", "dedup": "true", "x": "1"}

"""Who may ask an API: every way of `authModes` against a real service. Secrets show in no error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.testing.driving import read
from scaler.testing.leaks import no_leaks
from scaler.testing.servers.metrics_endpoint import MetricsEndpoint, Page
from scalers.metrics_api.api import MetricsApiScaler

pytestmark = pytest.mark.services

SECRET = "open-sesame"  # noqa: S105 - of a server for one test
BODY = '{"waiting": 7}'


@pytest.fixture(scope="module")
def server() -> Iterator[MetricsEndpoint]:
    with MetricsEndpoint.running() as running:
        yield running


@asynccontextmanager
async def opened(url: str, **parameters: str) -> AsyncIterator[Any]:
    config = MetricsApiScaler.Config.model_validate(
        {"url": url, "valueLocation": "waiting", "targetValue": "5", **parameters}
    )
    async with no_leaks(), SharedConnections() as connections, MetricsApiScaler.open(config, connections) as scaler:
        yield scaler


@pytest.mark.parametrize(
    ("parameters", "needs"),
    [
        ({"authMode": "basic", "username": "u", "password": "p"}, {"Authorization": "Basic dTpw"}),
        ({"authMode": "bearer", "token": SECRET}, {"Authorization": f"Bearer {SECRET}"}),
        ({"authMode": "apiKey", "apiKey": SECRET}, {"X-API-KEY": SECRET}),
        ({"authMode": "apiKey", "apiKey": SECRET, "keyParamName": "X-Mine"}, {"X-Mine": SECRET}),
        ({"authModes": "custom", "customAuthHeader": "X-Mine", "customAuthValue": SECRET}, {"X-Mine": SECRET}),
    ],
)
async def test_headers_say_who_asks(server: MetricsEndpoint, parameters: dict[str, str], needs: dict[str, str]) -> None:
    server.show("/stats", Page(BODY, needs=needs))
    async with opened(f"{server.url}/stats", **parameters) as scaler:
        assert (await read(scaler)).value == 7
    async with opened(f"{server.url}/stats") as scaler:
        with pytest.raises(SourceRejected, match="401"):
            await read(scaler)


async def test_a_key_may_travel_in_the_query_and_a_password_in_the_url(server: MetricsEndpoint) -> None:
    server.show("/keyed", Page(BODY, needs={"Authorization": "Basic dTpvcGVuLXNlc2FtZQ=="}))
    url = f"{server.url.replace('://', f'://u:{SECRET}@')}/keyed?of=mail"
    async with opened(url, authMode="apiKey", apiKey=SECRET, method="query") as scaler:
        assert (await read(scaler)).value == 7
        server.show("/keyed", Page(BODY, status=403))
        with pytest.raises(SourceRejected) as caught:
            await read(scaler)
    assert server.requests()[-1]["query"] == {"of": "mail", "api_key": SECRET}
    assert SECRET not in str(caught.value)


async def test_tokens_are_fetched_and_fetched_anew_when_refused(server: MetricsEndpoint) -> None:
    server.show("/token", Page('{"access_token": "first", "expires_in": 3600}'))
    server.show("/stats", Page(BODY, needs={"Authorization": "Bearer first"}))
    oauth = {
        "authModes": "oauth",
        "oauthTokenURI": f"{server.url}/token",
        "clientID": "worker",
        "clientSecret": SECRET,
        "scopes": "metrics",
    }
    async with opened(f"{server.url}/stats", **oauth) as scaler:
        before = len(server.requests())
        for _ in range(3):
            assert (await read(scaler)).value == 7
        assert [request["path"] for request in server.requests()[before:]] == ["/token", *["/stats"] * 3]
        server.show("/token", Page('{"access_token": "second"}'))
        server.show("/stats", Page(BODY, needs={"Authorization": "Bearer second"}))
        with pytest.raises(SourceRejected, match="401"):
            await read(scaler)
        assert (await read(scaler)).value == 7
    server.show("/token", Page('{"error": "invalid_client"}', status=401))
    async with opened(f"{server.url}/stats", **oauth) as scaler:
        with pytest.raises(SourceRejected, match="no token: invalid_client") as caught:
            await read(scaler)
    assert SECRET not in str(caught.value)


async def test_certificates_of_both_sides(tmp_path_factory: pytest.TempPathFactory) -> None:
    ca, folder = trustme.CA(), tmp_path_factory.mktemp("tls")
    issued, worker = ca.issue_cert("127.0.0.1"), ca.issue_cert("worker")
    issued.cert_chain_pems[0].write_to_path(folder / "server.pem")
    issued.private_key_pem.write_to_path(folder / "server.key")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    tls = {name: str(folder / file) for name, file in (("cert", "server.pem"), ("key", "server.key"))}
    pem = {
        "ca": ca.cert_pem.bytes().decode(),
        "cert": worker.cert_chain_pems[0].bytes().decode(),
        "key": worker.private_key_pem.bytes().decode(),
    }
    with MetricsEndpoint.running(tls={**tls, "client_ca": str(folder / "ca.pem")}) as server:
        server.show("/stats", Page(BODY))
        async with opened(f"{server.url}/stats", authMode="tls", **pem) as scaler:
            assert (await read(scaler)).value == 7
        async with opened(f"{server.url}/stats", ca=pem["ca"]) as scaler:
            with pytest.raises((SourceRejected, SourceUnavailable)):
                await read(scaler)
        async with opened(f"{server.url}/stats", authMode="tls", cert=pem["cert"], key=pem["key"]) as scaler:
            with pytest.raises(SourceRejected, match="not trusted"):
                await read(scaler)


async def test_a_redirect_is_not_followed(server: MetricsEndpoint) -> None:
    server.show("/moved", Page(status=302, headers={"Location": "/stats"}))
    async with opened(f"{server.url}/moved", authMode="bearer", token=SECRET) as scaler:
        with pytest.raises(SourceRejected, match="302"):
            await read(scaler)


async def test_tls_to_a_server_without_it_is_rejected(server: MetricsEndpoint) -> None:
    async with opened(f"{server.url.replace('http', 'https')}/stats") as scaler:
        with pytest.raises(SourceRejected, match="TLS failed"):
            await read(scaler)

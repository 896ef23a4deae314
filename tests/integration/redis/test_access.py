"""Who may read: TLS, certificates, ACL users. Secrets show in no error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from scaler.engine.connections import SharedConnections
from scaler.model import Reading
from scaler.ports.errors import SourceError, SourceRejected
from scaler.testing.driving import DEADLINE_S, read
from scaler.testing.servers.redis import RedisServer, TlsFiles
from scalers.redis.lists import RedisListScaler

pytestmark = pytest.mark.services

SECRET = "correct-horse"  # noqa: S105 - of a server for one test


@asynccontextmanager
async def opened(**parameters: str) -> AsyncIterator[Any]:
    config = RedisListScaler.Config.model_validate({"listName": "jobs", **parameters})
    async with SharedConnections() as connections, RedisListScaler.open(config, connections) as scaler:
        yield scaler


async def outcome(scaler: Any) -> Reading | SourceError:
    try:
        return await read(scaler)
    except SourceError as error:
        return error


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_pem(ca: trustme.CA) -> str:
    return ca.cert_pem.bytes().decode()


@pytest.fixture(scope="module")
def tls_files(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    folder = tmp_path_factory.mktemp("tls")
    issued = ca.issue_cert("127.0.0.1", "localhost")
    files = TlsFiles(folder / "server.pem", folder / "server.key", folder / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(files.cert)
    issued.private_key_pem.write_to_path(files.key)
    ca.cert_pem.write_to_path(folder / "ca.pem")
    return files


@pytest.fixture(scope="module")
def tls_server(tls_files: TlsFiles) -> Iterator[RedisServer]:
    with RedisServer.running(tls=TlsFiles(tls_files.cert, tls_files.key)) as server:
        yield server


async def test_tls_with_the_authority_that_signed_the_server(tls_server: RedisServer, ca_pem: str) -> None:
    async with opened(address=tls_server.address, enableTLS="true", ca=ca_pem) as scaler:
        assert (await read(scaler)).value == 0


async def test_the_authentication_parameter_tls_does_the_same(tls_server: RedisServer, ca_pem: str) -> None:
    async with opened(address=tls_server.address, tls="enable", ca=ca_pem) as scaler:
        assert (await read(scaler)).value == 0


async def test_a_certificate_of_an_unknown_authority_is_rejected(tls_server: RedisServer) -> None:
    for parameters in ({}, {"ca": trustme.CA().cert_pem.bytes().decode()}):
        async with opened(address=tls_server.address, enableTLS="true", **parameters) as scaler:
            with pytest.raises(SourceRejected, match="not trusted"):
                await read(scaler)


async def test_a_certificate_for_another_name_is_rejected(ca: trustme.CA, ca_pem: str, tmp_path: Path) -> None:
    issued = ca.issue_cert("redis.example")
    files = TlsFiles(tmp_path / "cert", tmp_path / "key")
    issued.cert_chain_pems[0].write_to_path(files.cert)
    issued.private_key_pem.write_to_path(files.key)
    with RedisServer.running(tls=files) as server:
        async with opened(address=server.address, enableTLS="true", ca=ca_pem) as scaler:
            with pytest.raises(SourceRejected, match="not trusted"):
                await read(scaler)


async def test_unsafe_ssl_reads_from_any_server(tls_server: RedisServer) -> None:
    async with opened(address=tls_server.address, enableTLS="true", unsafeSsl="true") as scaler:
        assert (await read(scaler)).value == 0


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain key", "encrypted key"])
async def test_a_client_certificate_opens_a_server_that_asks_for_one(
    ca: trustme.CA, ca_pem: str, tls_files: TlsFiles, *, encrypted: bool
) -> None:
    issued = ca.issue_cert("scaler")
    key, options = issued.private_key_pem.bytes(), {}
    if encrypted:
        private = load_pem_private_key(key, None)
        key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET.encode()))
        options["keyPassword"] = SECRET
    cert = issued.cert_chain_pems[0].bytes().decode()
    with RedisServer.running(tls=tls_files) as server:
        async with opened(
            address=server.address, enableTLS="true", ca=ca_pem, cert=cert, key=key.decode(), **options
        ) as scaler:
            assert (await read(scaler)).value == 0


async def test_a_user_who_may_only_count_one_list_is_enough() -> None:
    rules = ["default off", f"reader on >{SECRET} ~jobs +llen"]
    with RedisServer.running(users=rules) as server:
        async with opened(address=server.address, username="reader", password=SECRET) as scaler:
            assert (await read(scaler)).value == 0
        async with opened(address=server.address, username="reader", password=SECRET, listName="other") as scaler:
            with pytest.raises(SourceRejected, match="NOPERM"):
                await read(scaler)


@pytest.mark.parametrize(
    "credentials",
    [{}, {"password": "wrong-horse"}, {"username": "nobody", "password": "wrong-horse"}],
    ids=["none", "wrong password", "unknown user"],
)
async def test_wrong_credentials_are_rejected_without_showing_them(credentials: dict[str, str]) -> None:
    with RedisServer.running(users=[f"default on >{SECRET} ~* +@all"]) as server:
        async with opened(address=server.address, **credentials) as scaler:
            for _ in range(2):
                with pytest.raises(SourceRejected) as caught:
                    await read(scaler)
                assert "horse" not in str(caught.value)


async def test_a_password_that_the_server_does_not_know_is_not_repeated_by_it(server: RedisServer) -> None:
    async with opened(address=server.address, password=SECRET, username="reader") as scaler:
        with pytest.raises(SourceRejected) as caught:
            await read(scaler)
    assert SECRET not in str(caught.value)


async def test_credentials_that_are_mended_at_the_server_work_without_reopening(
    server: RedisServer, producer: Any
) -> None:
    async with opened(address=server.address, username="reader", password=SECRET) as scaler:
        with pytest.raises(SourceRejected):
            await read(scaler)
        producer.execute_command("ACL", "SETUSER", "reader", "on", f">{SECRET}", "~jobs", "+llen")
        async with asyncio.timeout(DEADLINE_S):
            while isinstance(await outcome(scaler), SourceRejected):
                await asyncio.sleep(0.02)
        assert (await read(scaler)).value == 0

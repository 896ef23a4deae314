"""Who may read: users, virtual hosts, TLS, certificates. Secrets show in no error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S, POLL_S, read, read_after_outage
from scaler.testing.polling import eventually
from scaler.testing.servers.rabbitmq import RabbitMQServer
from scaler.testing.servers.redis import TlsFiles

pytestmark = pytest.mark.services

SECRET = "correct:horse/%?#@"  # noqa: S105 - of a server for one test
BOTH = pytest.mark.parametrize("protocol", ["amqp", "http"])


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
def server(tls_files: TlsFiles) -> Iterator[RabbitMQServer]:
    """One that asks clients for a certificate where they speak TLS."""
    with RabbitMQServer.running(tls=tls_files) as running:
        running.declare("jobs")
        running.publish("jobs", 2)
        eventually(lambda: running.messages("jobs") == 2, what="the statistics show the messages")
        yield running


@pytest.fixture
def client_certificate(ca: trustme.CA) -> dict[str, str]:
    issued = ca.issue_cert("scaler")
    return {"cert": issued.cert_chain_pems[0].bytes().decode(), "key": issued.private_key_pem.bytes().decode()}


def encrypted(server: RabbitMQServer, protocol: str) -> str:
    port = server.tls_port if protocol == "amqp" else server.management_tls_port
    return f"{protocol}s://guest:guest@127.0.0.1:{port}/%2F"


@BOTH
async def test_tls_with_an_authority_and_a_client_certificate(
    server: RabbitMQServer, opened: Any, protocol: str, ca_pem: str, client_certificate: dict[str, str]
) -> None:
    for parameters in ({"ca": ca_pem}, {"ca": ca_pem, "tls": "enable"}, {"unsafeSsl": "true"}):
        async with opened(
            host=encrypted(server, protocol), queueName="jobs", **parameters, **client_certificate
        ) as scaler:
            assert (await read(scaler)).value == 2


@BOTH
async def test_an_authority_that_is_not_trusted_is_rejected(
    server: RabbitMQServer, opened: Any, protocol: str, client_certificate: dict[str, str]
) -> None:
    async with opened(host=encrypted(server, protocol), queueName="jobs", **client_certificate) as scaler:
        with pytest.raises(SourceRejected, match="not trusted"):
            await read(scaler)


@BOTH
async def test_a_server_that_asks_for_a_certificate_gets_none(
    server: RabbitMQServer, opened: Any, protocol: str, ca_pem: str
) -> None:
    async with opened(host=encrypted(server, protocol), queueName="jobs", ca=ca_pem) as scaler:
        with pytest.raises(SourceError):
            await read(scaler)


@BOTH
async def test_tls_where_none_is_spoken_is_rejected(server: RabbitMQServer, opened: Any, protocol: str) -> None:
    port = server.port if protocol == "amqp" else server.management_port
    async with opened(host=f"{protocol}s://guest:guest@127.0.0.1:{port}", queueName="jobs") as scaler:
        with pytest.raises(SourceRejected, match="TLS failed"):
            await read(scaler)


@BOTH
async def test_no_tls_where_it_is_spoken_is_an_error(server: RabbitMQServer, opened: Any, protocol: str) -> None:
    host = encrypted(server, protocol).replace("s://", "://")
    async with opened(host=host, queueName="jobs") as scaler:
        with pytest.raises((SourceUnavailable, SourceRejected)):
            await read(scaler)


@BOTH
async def test_a_user_with_rights_on_nothing_can_read(server: RabbitMQServer, opened: Any, protocol: str) -> None:
    server.add_user("reader", SECRET, tags="monitoring", pattern="^$")
    async with opened(host=getattr(server, protocol)(user="reader", password=SECRET), queueName="jobs") as scaler:
        assert (await read(scaler)).value == 2


@BOTH
async def test_parameters_win_over_credentials_in_the_url(server: RabbitMQServer, opened: Any, protocol: str) -> None:
    server.add_user("reader", SECRET, tags="monitoring", pattern="^$")
    host = getattr(server, protocol)(user="nobody", password="wrong")  # noqa: S106 - of this test
    async with opened(host=host, username="reader", password=SECRET, queueName="jobs") as scaler:
        assert (await read(scaler)).value == 2


@BOTH
async def test_wrong_credentials_are_rejected_and_not_shown(server: RabbitMQServer, opened: Any, protocol: str) -> None:
    host = getattr(server, protocol)(password=SECRET)
    async with opened(host=host, queueName="jobs") as scaler:
        for _ in range(2):
            with pytest.raises(SourceRejected) as caught:
                await read(scaler)
            assert "horse" not in str(caught.value)


@BOTH
async def test_a_broker_that_refuses_us_sees_few_attempts_however_often_it_is_read(
    server: RabbitMQServer, opened: Any, protocol: str
) -> None:
    def attempts() -> int:
        return server.log.read_bytes().count(b"user 'stranger'")

    before = attempts()
    async with opened(host=getattr(server, protocol)(user="stranger"), queueName="jobs") as scaler:
        for _ in range(200):
            with pytest.raises(SourceRejected):
                await scaler.read()
            await asyncio.sleep(0.005)
    # Its log comes after its answer.
    eventually(lambda: attempts() > before, what="an attempt in the log")
    assert attempts() - before < 12


async def test_a_user_who_may_not_manage_is_rejected_over_http(server: RabbitMQServer, opened: Any) -> None:
    server.add_user("worker", SECRET)
    async with opened(host=server.http(user="worker", password=SECRET), queueName="jobs") as scaler:
        with pytest.raises(SourceRejected, match="management API"):
            await read(scaler)


@BOTH
async def test_a_virtual_host_that_does_not_exist_is_rejected_and_found_once_it_does(
    server: RabbitMQServer, opened: Any, protocol: str
) -> None:
    vhost = f"later-{protocol}"
    async with opened(host=getattr(server, protocol)(vhost=vhost), queueName="jobs") as scaler:
        with pytest.raises(SourceRejected, match=f"virtual host '{vhost}'"):
            await read(scaler)
        server.add_vhost(vhost)
        server.declare("jobs", vhost=vhost)
        eventually(lambda: server.messages("jobs", vhost=vhost) == 0, what="the statistics have the queue")

        async def found() -> float | None:
            try:
                return (await read_after_outage(scaler)).value
            except SourceRejected:
                return None

        # A refused connection is tried again after up to 10 s.
        async with asyncio.timeout(2 * DEADLINE_S):
            while await found() is None:
                await asyncio.sleep(POLL_S)


@BOTH
async def test_a_virtual_host_of_others_is_rejected(server: RabbitMQServer, opened: Any, protocol: str) -> None:
    server.add_vhost("theirs")
    server.add_user("reader", SECRET, tags="management")
    host = getattr(server, protocol)(user="reader", password=SECRET, vhost="theirs")
    async with opened(host=host, queueName="jobs") as scaler:
        with pytest.raises(SourceRejected):
            await read(scaler)

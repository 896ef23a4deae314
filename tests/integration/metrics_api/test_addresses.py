"""Every address of a name is asked: replicas on loopback addresses that come, fail, hang and go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S, POLL_S, read, read_after_outage
from scaler.testing.leaks import no_leaks
from scaler.testing.servers.metrics_endpoint import MetricsEndpoint, Page
from scaler.testing.servers.process import free_port
from scalers.metrics_api.api import MetricsApiScaler

pytestmark = pytest.mark.services

NAME = "tasks.worker"
VALUES = (10, 20, 60)


@pytest.fixture(scope="module")
def replicas() -> Iterator[list[MetricsEndpoint]]:
    """Three services on one port of three addresses, as replicas have."""
    port = free_port()
    with ExitStack() as stack:
        yield [stack.enter_context(MetricsEndpoint.running(host=f"127.0.0.{n}", port=port)) for n in (2, 3, 4)]


@pytest.fixture(autouse=True)
def _healthy(replicas: list[MetricsEndpoint]) -> None:
    for replica, value in zip(replicas, VALUES, strict=True):
        replica.show("/stats", Page(f'{{"waiting": {value}}}'))


class Names:
    """What the name resolves to, as the resolver of the system would say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[str] = []
        self.asked = 0
        self._resolve = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.getaddrinfo)

    def getaddrinfo(self, host: Any, *arguments: Any, **options: Any) -> list[Any]:
        if host != NAME:
            return self._resolve(host, *arguments, **options)
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [found for address in self.addresses for found in self._resolve(address, *arguments, **options)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, replicas: list[MetricsEndpoint]) -> Names:
    names = Names(monkeypatch)
    names.addresses = [replica.host for replica in replicas]
    return names


@asynccontextmanager
async def opened(replicas: list[MetricsEndpoint], **parameters: str) -> AsyncIterator[Any]:
    given = {
        "url": f"http://{NAME}:{replicas[0].port}/stats?of=mail",
        "valueLocation": "waiting",
        "targetValue": "5",
        "aggregateFromKubeServiceEndpoints": "true",
        # Whoever a busy machine holds up is not left out.
        "timeout": "60000",
        **parameters,
    }
    config = MetricsApiScaler.Config.model_validate(given)
    async with no_leaks(), SharedConnections() as connections, MetricsApiScaler.open(config, connections) as scaler:
        yield scaler


@pytest.mark.parametrize(("type_", "value"), [("average", 30), ("sum", 90), ("max", 60), ("min", 10)])
async def test_numbers_become_one(replicas: list[MetricsEndpoint], names: Names, type_: str, value: float) -> None:
    assert len(names.addresses) == 3
    async with opened(replicas, aggregationType=type_) as scaler:
        assert (await read(scaler)).value == value
    for replica in replicas:
        last = replica.requests()[-1]
        assert (last["query"], last["headers"]["Host"]) == ({"of": "mail"}, f"{NAME}:{replica.port}")


async def test_replicas_come_and_go(replicas: list[MetricsEndpoint], names: Names) -> None:
    async with opened(replicas, aggregationType="sum") as scaler:
        for count in (1, 3, 2, 3):
            names.addresses = [replica.host for replica in replicas[:count]]
            assert (await read(scaler)).value == sum(VALUES[:count])


async def test_reads_at_the_same_time_resolve_once_and_ask_each_address_once(
    replicas: list[MetricsEndpoint], names: Names
) -> None:
    before = [len(replica.requests()) for replica in replicas]
    async with opened(replicas) as scaler:
        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(scaler.read()) for _ in range(50)]
        assert {task.result().value for task in reads} == {30}
        assert names.asked == 1
    assert [len(replica.requests()) for replica in replicas] == [count + 1 for count in before]


async def test_a_replica_that_fails_is_left_out(replicas: list[MetricsEndpoint], names: Names) -> None:
    replicas[0].show("/stats", Page(status=500))
    replicas[1].show("/stats", Page('{"other": 1}'))
    names.addresses.append("127.0.0.5")
    async with opened(replicas) as scaler:
        assert (await read(scaler)).value == 60


async def test_a_replica_that_hangs_is_left_out_in_time(replicas: list[MetricsEndpoint], names: Names) -> None:
    assert names.addresses
    async with opened(replicas, aggregationType="sum", timeout="500") as scaler:
        replicas[2].freeze()
        try:
            # The others may be late, too, but not for ever.
            await shows(scaler, 30)
        finally:
            replicas[2].thaw()
        await shows(scaler, 90)


async def shows(scaler: Any, value: float) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while (await read_after_outage(scaler)).value != value:
            await asyncio.sleep(POLL_S)


@pytest.mark.parametrize(("status", "error"), [(500, SourceUnavailable), (404, SourceRejected)])
async def test_it_is_an_error_when_all_fail(
    replicas: list[MetricsEndpoint], names: Names, status: int, error: type[SourceError]
) -> None:
    assert names.addresses
    for replica in replicas:
        replica.show("/stats", Page(status=status))
    async with opened(replicas) as scaler:
        with pytest.raises(error, match=str(status)):
            await read(scaler)


async def test_numbers_that_are_too_large_together_are_an_error(replicas: list[MetricsEndpoint], names: Names) -> None:
    assert names.addresses
    for replica in replicas:
        replica.show("/stats", Page('{"waiting": 1e308}'))
    async with opened(replicas, aggregationType="sum") as scaler:
        with pytest.raises(SourceUnavailable, match="too large"):
            await read(scaler)


async def test_a_name_without_addresses_is_unavailable_until_it_has_one(
    replicas: list[MetricsEndpoint], names: Names
) -> None:
    async with opened(replicas, aggregationType="sum") as scaler:
        names.addresses = []
        with pytest.raises(SourceUnavailable, match="no address now"):
            await read(scaler)
        names.addresses = [replicas[2].host]
        assert (await read(scaler)).value == 60


async def test_certificates_are_those_of_the_name(names: Names, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert(NAME)
    issued.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    issued.private_key_pem.write_to_path(tmp_path / "server.key")
    tls = {"cert": str(tmp_path / "server.pem"), "key": str(tmp_path / "server.key")}
    with MetricsEndpoint.running(host="127.0.0.6", tls=tls) as replica:
        replica.show("/stats", Page('{"waiting": 4}'))
        names.addresses = [replica.host]
        ca = authority.cert_pem.bytes().decode()
        async with opened([replica], url=f"https://{NAME}:{replica.port}/stats", ca=ca) as scaler:
            assert (await read(scaler)).value == 4


async def test_where_there_are_both_kinds_of_addresses_each_replica_counts_once(
    replicas: list[MetricsEndpoint], names: Names
) -> None:
    names.addresses = ["::1", replicas[0].host]
    async with opened(replicas, aggregationType="sum") as scaler:
        assert (await read(scaler)).value == 10

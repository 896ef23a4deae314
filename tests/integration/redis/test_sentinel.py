"""Redis Sentinel: the master is found and followed, and read on while the sentinels are away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S, Wakeups, read, read_after_outage
from scaler.testing.leaks import no_leaks, until
from scaler.testing.servers.redis import TlsFiles
from scaler.testing.servers.redis_sentinel import MASTER, SentinelSet
from scalers.redis.sentinel import RedisSentinelListScaler, RedisSentinelStreamsScaler

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

PASSWORD = "open-sesame"  # noqa: S105 - of servers for these tests
SENTINEL_PASSWORD = "open-barley"  # noqa: S105 - the same


@pytest.fixture
def sentinels() -> Iterator[SentinelSet]:
    with SentinelSet.running(
        sentinels=3, password=PASSWORD, sentinel_password=SENTINEL_PASSWORD, notifications="KA"
    ) as running:
        yield running


@asynccontextmanager
async def opened(sentinels: SentinelSet, scaler: Any = RedisSentinelListScaler, **more: str) -> AsyncIterator[Any]:
    key = "stream" if scaler is RedisSentinelStreamsScaler else "listName"
    parameters = {
        "addresses": sentinels.addresses,
        "sentinelMaster": MASTER,
        "password": PASSWORD,
        "sentinelPassword": SENTINEL_PASSWORD,
        key: "jobs",
        **more,
    }
    config = scaler.Config.model_validate(parameters)
    async with no_leaks(), SharedConnections() as connections, scaler.open(config, connections) as it:
        yield it


def push(sentinels: SentinelSet, *items: int) -> None:
    with sentinels.producer() as producer:
        producer.rpush("jobs", *items)
        assert producer.wait(1, 50_000) == 1


async def replaced(sentinels: SentinelSet, before: Any) -> None:
    # A sentinel that was held up itself does nothing for half a minute.
    async with asyncio.timeout(2 * DEADLINE_S):
        while sentinels.master() is before:
            await asyncio.sleep(0.05)


async def test_a_failover_is_followed_by_reads_and_wakeups(sentinels: SentinelSet) -> None:
    push(sentinels, 1, 2)
    before = sentinels.master()
    async with opened(sentinels) as scaler:
        assert (await read(scaler)).value == 2
        # Not before it has been found lost.
        for sentinel in sentinels.sentinels:
            sentinel.freeze()
        before.kill()
        with pytest.raises(SourceUnavailable):
            await read(scaler)
        for sentinel in sentinels.sentinels:
            sentinel.thaw()
        await replaced(sentinels, before)
        assert (await read_after_outage(scaler)).value == 2
        async with Wakeups(scaler) as wakeups:
            await wakeups.settle()
            count = wakeups.count
            with sentinels.producer() as producer:
                producer.rpush("jobs", 3)
            await until(lambda: wakeups.count > count)
        assert (await read(scaler)).value == 3


async def test_a_master_that_lives_on_as_a_replica_is_left_at_the_announcement(sentinels: SentinelSet) -> None:
    push(sentinels, 1)
    before = sentinels.master()
    async with opened(sentinels) as scaler:
        await read(scaler)
        with capture_logs() as logs:
            sentinels.ask(sentinels.sentinels[0], "SENTINEL FAILOVER", MASTER)
            # Nothing is read meanwhile that could be found lost, and the next look is seconds away.
            await until(lambda: any(entry["event"] == "servers_changed" for entry in logs))
        assert (await read_after_outage(scaler)).value == 1

        def clients_of_the_old() -> list[Any]:
            with sentinels.client(before) as client:
                return [it for it in client.client_list() if it["cmd"] == "llen"]

        await until(lambda: not clients_of_the_old())


async def test_a_frozen_master_is_replaced(sentinels: SentinelSet) -> None:
    push(sentinels, 1, 2, 3)
    before = sentinels.master()
    async with opened(sentinels) as scaler:
        await read(scaler)
        before.freeze()
        await replaced(sentinels, before)
        assert (await read_after_outage(scaler)).value == 3


async def test_the_master_is_read_on_while_all_sentinels_are_away(sentinels: SentinelSet) -> None:
    push(sentinels, 1)
    async with opened(sentinels) as scaler:
        await read(scaler)
        for sentinel in sentinels.sentinels:
            sentinel.kill()
        with sentinels.client(sentinels.servers[0]) as producer:
            for items in range(2, 12):
                producer.rpush("jobs", items)
                assert (await read(scaler)).value == items
                await asyncio.sleep(0.02)


async def test_one_sentinel_of_those_given_is_enough(sentinels: SentinelSet) -> None:
    for sentinel in sentinels.sentinels[:2]:
        sentinel.kill()
    push_to = sentinels.servers[0]
    with sentinels.client(push_to) as producer:
        producer.rpush("jobs", 1)
    async with opened(sentinels, addresses=f"127.0.0.1:1,{sentinels.addresses}") as scaler:
        assert (await read(scaler)).value == 1


async def test_streams_are_counted_in_the_database_given(sentinels: SentinelSet) -> None:
    with sentinels.client(sentinels.master(), db=2) as producer:
        producer.xadd("jobs", {"n": 1})
    async with opened(sentinels, RedisSentinelStreamsScaler, databaseIndex="2") as scaler:
        assert (await read(scaler)).value == 1


async def test_a_server_that_is_no_sentinel_is_rejected(sentinels: SentinelSet) -> None:
    async with opened(sentinels, addresses=sentinels.servers[0].address, sentinelPassword=PASSWORD) as scaler:
        with pytest.raises(SourceRejected, match="unknown command"):
            await read(scaler)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"password": "wrong-horse"}, "invalid username-password", id="of the master"),
        pytest.param({"sentinelPassword": "wrong-horse"}, "invalid username-password", id="of the sentinels"),
        pytest.param({"sentinelPassword": ""}, "Authentication required", id="none for the sentinels"),
        pytest.param({"sentinelMaster": "other"}, "no master named other", id="name"),
    ],
)
async def test_what_is_wrong_is_rejected_by_name(sentinels: SentinelSet, wrong: dict[str, str], said: str) -> None:
    async with opened(sentinels, **wrong) as scaler:
        with pytest.raises(SourceRejected, match=said) as caught:
            await read(scaler)
        assert "horse" not in str(caught.value)


async def test_tls_is_for_sentinels_and_master(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem", ca=tmp_path / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(files.cert)
    issued.private_key_pem.write_to_path(files.key)
    authority.cert_pem.write_to_path(str(files.ca))
    with SentinelSet.running(password=PASSWORD, sentinel_password=SENTINEL_PASSWORD, tls=files) as sentinels:
        push(sentinels, 1)
        async with opened(sentinels, enableTLS="true", ca=authority.cert_pem.bytes().decode()) as scaler:
            assert (await read(scaler)).value == 1
        async with opened(sentinels, enableTLS="true") as scaler:
            with pytest.raises(SourceRejected, match="not trusted"):
                await read(scaler)


async def test_a_user_of_the_sentinels_who_may_ask_for_the_master_and_hear_of_another_is_enough(
    sentinels: SentinelSet,
) -> None:
    rules = ("on", ">correct-horse", "resetchannels", "&+switch-master")
    commands = ("+sentinel|get-master-addr-by-name", "+subscribe")
    for sentinel in sentinels.sentinels:
        sentinels.ask(sentinel, "ACL", "SETUSER", "watcher", *rules, *commands)
    async with opened(sentinels, sentinelUsername="watcher", sentinelPassword="correct-horse") as scaler:
        await read(scaler)
        with capture_logs() as logs:
            sentinels.ask(sentinels.sentinels[0], "SENTINEL FAILOVER", MASTER)
            await until(lambda: any(entry["event"] == "servers_changed" for entry in logs))
        assert (await read_after_outage(scaler)).value == 0

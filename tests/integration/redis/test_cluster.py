"""Redis Cluster: one connection a node, keys that move, nodes that are lost and replaced."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from redis.crc import key_slot
from structlog.testing import capture_logs

from scaler.engine.connections import SharedConnections
from scaler.ports.errors import SourceError, SourceRejected, SourceUnavailable
from scaler.testing.driving import DEADLINE_S, Wakeups, read, read_after_outage
from scaler.testing.leaks import no_leaks, until
from scaler.testing.servers.redis import RedisServer, TlsFiles
from scaler.testing.servers.redis_cluster import RedisCluster
from scalers.redis.cluster import RedisClusterListScaler, RedisClusterStreamsScaler
from scalers.redis.lists import RedisListScaler

pytestmark = pytest.mark.services

TRIGGERS = 200


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[RedisCluster]:
    with RedisCluster.running(notifications="KA") as running:
        yield running


@pytest.fixture
def cluster(shared_cluster: RedisCluster) -> RedisCluster:
    shared_cluster.start()
    for node in shared_cluster.nodes:
        with shared_cluster.client(node) as client:
            client.flushall()
    return shared_cluster


async def enter(stack: AsyncExitStack, connections: SharedConnections, scaler: Any, **parameters: str) -> Any:
    return await stack.enter_async_context(scaler.open(scaler.Config.model_validate(parameters), connections))


@asynccontextmanager
async def opened(scaler: Any = RedisClusterListScaler, **parameters: str) -> AsyncIterator[Any]:
    async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
        yield await enter(stack, connections, scaler, **parameters)


async def outcome(scaler: Any) -> float | SourceError | None:
    try:
        return (await read(scaler)).value
    except SourceError as error:
        return error


async def tick(scalers: list[Any]) -> list[float | SourceError | None]:
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(outcome(scaler)) for scaler in scalers]
    return [each.result() for each in reads]


async def open_all(stack: AsyncExitStack, connections: SharedConnections, cluster: RedisCluster) -> dict[str, Any]:
    keys = [f"jobs-{number}" for number in range(TRIGGERS)]
    return {
        key: await enter(stack, connections, RedisClusterListScaler, addresses=cluster.addresses, listName=key)
        for key in keys
    }


def push(cluster: RedisCluster, key: str, *items: int) -> None:
    with cluster.producer(key) as producer:
        producer.rpush(key, *items)


def one_key_for_each(cluster: RedisCluster) -> dict[int, str]:
    """Return a key by the port of its node."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < 3:
        found.setdefault(cluster.owner(f"jobs-{number}").port, f"jobs-{number}")
        number += 1
    return found


async def test_keys_of_all_nodes_are_one_connection_and_few_writes_for_each_node(cluster: RedisCluster) -> None:
    owners = {f"jobs-{number}": cluster.owner(f"jobs-{number}").port for number in range(TRIGGERS)}
    for number in range(TRIGGERS):
        push(cluster, f"jobs-{number}", *range(number % 5 + 1))
    async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
        scalers = await open_all(stack, connections, cluster)
        await tick(list(scalers.values()))
        for node in cluster.nodes:
            with cluster.client(node) as client:
                client.config_resetstat()
        assert await tick(list(scalers.values())) == [number % 5 + 1 for number in range(TRIGGERS)]
        for node in cluster.nodes:
            with cluster.client(node) as client:
                assert client.info("commandstats")["cmdstat_llen"]["calls"] == Counter(owners.values())[node.port]
                # Its own commands are among them; without batches these would be dozens.
                assert client.info("stats")["total_reads_processed"] <= 10
                assert len([it for it in client.client_list() if it["cmd"] == "llen"]) == 1


async def test_one_address_is_enough_and_one_that_is_dead_does_no_harm(cluster: RedisCluster) -> None:
    keys = one_key_for_each(cluster)
    for key in keys.values():
        push(cluster, key, 1, 2)
    for addresses in (cluster.nodes[0].address, f"127.0.0.1:1, {cluster.nodes[1].address}"):
        async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
            scalers = [
                await enter(stack, connections, RedisClusterListScaler, addresses=addresses, listName=key)
                for key in keys.values()
            ]
            assert await tick(scalers) == [2, 2, 2]


async def test_a_hash_tag_decides_where_a_key_is(cluster: RedisCluster) -> None:
    assert cluster.owner("{orders}:1") == cluster.owner("orders")
    with cluster.producer("orders") as producer:
        producer.rpush("{orders}:1", 1, 2, 3)
    async with opened(addresses=cluster.addresses, listName="{orders}:1") as scaler:
        assert (await read(scaler)).value == 3


async def test_all_rules_of_streams_hold(cluster: RedisCluster) -> None:
    with cluster.producer("log") as producer:
        for number in range(6):
            producer.xadd("log", {"n": number})
        producer.xgroup_create("log", "workers", id="0")
        producer.xreadgroup("workers", "worker", {"log": ">"}, count=2)
    base = {"addresses": cluster.addresses, "stream": "log"}
    for more, value in (({}, 6), ({"consumerGroup": "workers"}, 2), ({"consumerGroup": "workers", "lagCount": "1"}, 4)):
        async with opened(RedisClusterStreamsScaler, **base, **more) as scaler:
            assert (await read(scaler)).value == value


async def test_a_slot_on_its_way_is_read_where_its_keys_are_and_followed_when_it_has_moved(
    cluster: RedisCluster,
) -> None:
    source = cluster.owner("{mine}")
    target = next(node for node in cluster.nodes if node is not source)
    slot = key_slot(b"{mine}")
    with cluster.client(source) as at_source, cluster.client(target) as at_target:
        ids = at_source.execute_command("CLUSTER MYID"), at_target.execute_command("CLUSTER MYID")
        at_source.rpush("{mine}:1", 1, 2)
        at_source.rpush("{mine}:2", 1, 2, 3)
        async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
            parameters = {"addresses": cluster.addresses}
            scalers = [
                await enter(stack, connections, RedisClusterListScaler, **parameters, listName=f"{{mine}}:{number}")
                for number in (1, 2, 3)
            ]
            wakeups = await stack.enter_async_context(Wakeups(scalers[0]))
            assert await tick(scalers) == [2, 3, 0]
            at_target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
            at_source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])
            at_source.migrate(target.host, target.port, "{mine}:1", 0, 60_000)
            # One is there already, one still here, one nowhere.
            assert await tick(scalers) == [2, 3, 0]
            at_source.migrate(target.host, target.port, "{mine}:2", 0, 60_000)
            for client in (at_target, at_source):
                client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[1])
            assert await tick(scalers) == [2, 3, 0]

            async def followed() -> bool:
                await tick(scalers)
                at_source.config_resetstat()
                await tick(scalers)
                return "cmdstat_llen" not in at_source.info("commandstats")

            async with asyncio.timeout(DEADLINE_S):
                while not await followed():
                    await asyncio.sleep(0.05)
            await wakeups.settle()
            before = wakeups.count
            at_target.rpush("{mine}:1", 3)
            await until(lambda: wakeups.count > before)
            at_target.delete("{mine}:1", "{mine}:2")
        for client in (at_source, at_target):
            client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[0])


async def test_a_lost_node_leaves_the_others_undisturbed_and_is_read_again_on_its_return(cluster: RedisCluster) -> None:
    keys = one_key_for_each(cluster)
    for key in keys.values():
        push(cluster, key, 1)
    lost = cluster.nodes[0]
    async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
        scalers = {
            port: await enter(stack, connections, RedisClusterListScaler, addresses=cluster.addresses, listName=key)
            for port, key in keys.items()
        }
        assert await tick(list(scalers.values())) == [1, 1, 1]
        lost.kill()
        with capture_logs() as logs:
            for _ in range(100):
                for port, value in zip(scalers, await tick(list(scalers.values())), strict=True):
                    assert isinstance(value, SourceUnavailable) if port == lost.port else value == 1
                await asyncio.sleep(0.02)
        assert [entry["event"] for entry in logs] == ["source_lost"]
        lost.start()
        assert (await read_after_outage(scalers[lost.port])).value == 1


async def test_opening_a_server_that_is_no_cluster_is_rejected() -> None:
    with RedisServer.running() as server:
        async with opened(addresses=server.address, listName="jobs") as scaler:
            with pytest.raises(SourceRejected, match="cluster support disabled"):
                await read(scaler)


async def test_the_plain_type_names_the_type_that_follows_a_cluster(cluster: RedisCluster) -> None:
    elsewhere = next(node for node in cluster.nodes if node is not cluster.owner("jobs"))
    async with opened(RedisListScaler, address=elsewhere.address, listName="jobs") as scaler:
        with pytest.raises(SourceRejected, match="redis-cluster"):
            await read(scaler)


async def test_a_failover_is_followed_by_reads_and_wakeups_even_when_the_only_address_is_dead() -> None:
    with RedisCluster.running(replicas=1, notifications="KA") as cluster:
        lost = cluster.owner("jobs")
        push(cluster, "jobs", 1, 2)
        others = [f"jobs-{n}" for n in range(40) if cluster.owner(f"jobs-{n}") is not lost]
        with cluster.client(lost) as client:
            assert client.wait(1, 50_000) == 1
        async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
            scaler, *rest = [
                await enter(stack, connections, RedisClusterListScaler, addresses=lost.address, listName=key)
                for key in ("jobs", *others)
            ]
            assert await tick([scaler, *rest]) == [2, *(0 for _ in rest)]
            lost.kill()
            seen = []
            async with asyncio.timeout(DEADLINE_S):
                while not seen or isinstance(seen[-1], SourceError):
                    value, *values = await tick([scaler, *rest])
                    assert values == [0] * len(values)
                    seen.append(value)
                    await asyncio.sleep(0.05)
            assert seen[-1] == 2
            assert all(isinstance(value, SourceUnavailable) for value in seen[:-1])
            async with Wakeups(scaler) as wakeups:
                await wakeups.settle()
                before = wakeups.count
                push(cluster, "jobs", 3)
                await until(lambda: wakeups.count > before)
            # The old master comes back as a replica: it has no keys of its own, and is left alone.
            lost.start()
            assert await tick([scaler]) == [3]


async def test_tls_reaches_every_node(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem", ca=tmp_path / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(files.cert)
    issued.private_key_pem.write_to_path(files.key)
    authority.cert_pem.write_to_path(str(files.ca))
    with RedisCluster.running(tls=files) as cluster:
        keys = one_key_for_each(cluster)
        for key in keys.values():
            push(cluster, key, 1)
        parameters = {"addresses": cluster.nodes[0].address, "enableTLS": "true"}
        async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
            ca = authority.cert_pem.bytes().decode()
            scalers = [
                await enter(stack, connections, RedisClusterListScaler, **parameters, ca=ca, listName=key)
                for key in keys.values()
            ]
            assert await tick(scalers) == [1, 1, 1]
        async with opened(**parameters, listName="jobs") as scaler:
            with pytest.raises(SourceRejected, match="not trusted"):
                await read(scaler)


async def test_a_user_who_may_ask_for_the_slots_and_count_one_list_is_enough(cluster: RedisCluster) -> None:
    rules = ("on", ">correct-horse", "resetchannels", "&__keyspace@0__:jobs", "~jobs")
    commands = ("+cluster|slots", "+llen", "+subscribe", "+unsubscribe")
    for node in cluster.nodes:
        with cluster.client(node) as client:
            client.execute_command("ACL", "SETUSER", "reader", *rules, *commands)
    push(cluster, "jobs", 1)
    parameters = {"addresses": cluster.addresses, "username": "reader", "password": "correct-horse"}
    async with opened(**parameters, listName="jobs") as scaler, Wakeups(scaler) as wakeups:
        assert (await read(scaler)).value == 1
        await wakeups.settle()
        before = wakeups.count
        push(cluster, "jobs", 2)
        await until(lambda: wakeups.count > before)


async def test_triggers_of_a_cluster_share_a_subscription_for_each_node(cluster: RedisCluster) -> None:
    async with no_leaks(), SharedConnections() as connections, AsyncExitStack() as stack:
        scalers = await open_all(stack, connections, cluster)
        everyone = {key: await stack.enter_async_context(Wakeups(scaler)) for key, scaler in scalers.items()}
        await until(lambda: all(wakeups.count == 1 for wakeups in everyone.values()))
        for node in cluster.nodes:
            with cluster.client(node) as client:
                assert len(client.client_list(_type="pubsub")) == 1
        for key in one_key_for_each(cluster).values():
            push(cluster, key, 1)
            await until(lambda key=key: everyone[key].count == 2)
        assert sum(wakeups.count for wakeups in everyone.values()) == TRIGGERS + 3

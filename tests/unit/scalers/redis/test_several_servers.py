"""The parameters of Redis clusters and sentinels: what is understood, what is refused and why."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from scaler.ports.scaler import ScalerConfig
from scalers.redis.cluster import RedisClusterListConfig, RedisClusterStreamsConfig
from scalers.redis.sentinel import RedisSentinelListConfig, RedisSentinelStreamsConfig
from scalers.redis.servers import Cluster, Sentinels

SENTINEL = {"sentinelMaster": "main", "listName": "jobs"}


def cluster(**parameters: Any) -> Cluster:
    return RedisClusterListConfig.model_validate({"listName": "jobs", **parameters}).source()


def sentinels(**parameters: Any) -> Sentinels:
    return RedisSentinelListConfig.model_validate({**SENTINEL, **parameters}).source()


def refusal(config: type[ScalerConfig] = RedisClusterListConfig, **parameters: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        config.model_validate({"listName": "jobs", **parameters})
    return str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "endpoints"),
    [
        pytest.param({"addresses": "a:1,b:2"}, [("a", 1), ("b", 2)], id="addresses"),
        pytest.param({"addresses": " b:2 , a:1, b:2 "}, [("a", 1), ("b", 2)], id="spaces, order, twice"),
        pytest.param({"address": "a:1,b:2"}, [("a", 1), ("b", 2)], id="KEDA's other name"),
        pytest.param({"addresses": "[::1]:7000,:7001"}, [("::1", 7000), ("localhost", 7001)], id="IPv6, no host"),
        pytest.param({"hosts": "a, b", "ports": "1, 2"}, [("a", 1), ("b", 2)], id="hosts and ports"),
        pytest.param({"host": "a", "port": 1}, [("a", 1)], id="host and port"),
    ],
)
def test_where_the_servers_are(parameters: dict[str, Any], endpoints: list[tuple[str, int]]) -> None:
    assert [(seed.host, seed.port) for seed in cluster(**parameters).seeds] == endpoints
    assert [(it.host, it.port) for it in sentinels(**parameters).sentinels] == endpoints


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        pytest.param({}, "addresses (host:port,host:port), or both hosts and ports", id="nothing"),
        pytest.param({"hosts": "a,b"}, "both hosts and ports", id="hosts alone"),
        pytest.param({"hosts": "a,b", "ports": "1"}, "as many hosts as ports", id="fewer ports"),
        pytest.param({"hosts": "a,", "ports": "1,2"}, "as many hosts as ports", id="an empty host"),
        pytest.param({"hosts": "a,b", "ports": "1,x"}, "a port from 1", id="no port"),
        pytest.param({"addresses": "a:1,,b:2"}, "host:port", id="an empty address"),
        pytest.param({"addresses": "a:1,b"}, "host:port", id="an address without port"),
        pytest.param({"addresses": "a:1,u:hunter2@b:2"}, "without credentials", id="credentials"),
        pytest.param({"addresses": "a:1", "hosts": "a", "ports": "1"}, "not both", id="both"),
    ],
)
def test_addresses_that_are_none_are_refused(parameters: dict[str, Any], said: str) -> None:
    for config, more in ((RedisClusterListConfig, {}), (RedisSentinelListConfig, SENTINEL)):
        text = refusal(config, **{**more, **parameters})
        assert said in text
        assert "hunter2" not in text


def test_a_cluster_has_database_0_only() -> None:
    cluster(addresses="a:1", databaseIndex="0")
    assert "database 0 only" in refusal(addresses="a:1", databaseIndex="1")


def test_a_cluster_has_no_sentinels() -> None:
    for name in ("sentinelMaster", "sentinelUsername", "sentinelPassword"):
        text = refusal(addresses="a:1", **{name: "hunter2"})
        assert "belongs to redis-sentinel" in text
        assert "hunter2" not in text


def test_sentinels_need_the_name_of_a_master() -> None:
    assert "sentinelMaster" in refusal(RedisSentinelListConfig, addresses="a:1")
    text = refusal(RedisSentinelStreamsConfig, addresses="a:1", stream="log")
    assert "sentinelMaster" in text


def test_sentinels_have_credentials_of_their_own_and_the_same_tls() -> None:
    source = sentinels(
        addresses="a:1",
        username="reader",
        password="horse",  # noqa: S106 - of this test
        sentinelUsername="watcher",
        sentinelPassword="staple",
        databaseIndex="3",
        enableTLS="true",
    )
    (sentinel,) = source.sentinels
    assert (sentinel.username, sentinel.password.get_secret_value(), sentinel.database) == ("watcher", "staple", 0)
    anywhere = source.anywhere
    assert (anywhere.username, anywhere.password.get_secret_value(), anywhere.database) == ("reader", "horse", 3)
    assert sentinel.tls == anywhere.tls is not None
    assert "horse" not in f"{source} {source!r}"
    assert "staple" not in f"{source} {source!r}"


def test_the_order_of_addresses_makes_no_other_client() -> None:
    assert cluster(addresses="a:1,b:2") == cluster(hosts="b,a", ports="2,1")
    assert hash(cluster(addresses="a:1,b:2")) == hash(cluster(addresses="b:2,a:1"))
    assert cluster(addresses="a:1", username="reader") != cluster(addresses="a:1")
    assert sentinels(addresses="a:1") != sentinels(addresses="a:1", sentinelMaster="other")


def test_streams_count_by_the_rules_of_the_plain_type() -> None:
    config = RedisClusterStreamsConfig.model_validate(
        {"addresses": "a:1", "stream": "log", "consumerGroup": "g", "lagCount": "3", "activationLagCount": "2"}
    )
    assert (config.target(), config.activation()) == (3, 2)

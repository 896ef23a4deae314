"""The parameters of the Redis scalers: what is understood, what is refused and why."""

from __future__ import annotations

from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from scalers.redis.config import Server
from scalers.redis.lists import RedisListConfig
from scalers.redis.streams import RedisStreamsConfig

BASE = {"address": "cache:6379", "listName": "jobs"}


def server(**parameters: Any) -> Server:
    return RedisListConfig.model_validate({"listName": "jobs", **parameters}).source()


def refusal(config: Any = RedisListConfig, **parameters: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        config.model_validate(parameters)
    return str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "host", "port"),
    [
        pytest.param({"address": "cache:6380"}, "cache", 6380, id="address"),
        pytest.param({"address": ":6379"}, "localhost", 6379, id="without host"),
        pytest.param({"address": "[::1]:6379"}, "::1", 6379, id="IPv6"),
        pytest.param({"host": "cache", "port": "6379"}, "cache", 6379, id="host and port"),
        pytest.param({"host": "cache", "port": 6379}, "cache", 6379, id="port as a number"),
        pytest.param({"address": "  ", "host": "cache", "port": "1"}, "cache", 1, id="blank address"),
    ],
)
def test_where_the_server_is(parameters: dict[str, Any], host: str, port: int) -> None:
    found = server(**parameters)
    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"host": "cache"}, id="host alone"),
        pytest.param({"address": "cache"}, id="no port"),
        pytest.param({"address": "cache:0"}, id="port 0"),
        pytest.param({"address": "cache:65536"}, id="port too large"),
        pytest.param({"address": "redis://cache:6379"}, id="URL"),
        pytest.param({"address": "user:secret@cache:6379"}, id="credentials"),
        pytest.param({"address": "a:1,b:2"}, id="several"),
        pytest.param({"address": "cache:1", "host": "cache", "port": "1"}, id="both"),
    ],
)
def test_an_address_that_is_none_is_refused(parameters: dict[str, Any]) -> None:
    text = refusal(listName="jobs", **parameters)
    assert "expected" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("name", "belongs"),
    [
        ("addresses", "redis-cluster and redis-sentinel"),
        ("hosts", "redis-cluster and redis-sentinel"),
        ("ports", "redis-cluster and redis-sentinel"),
        ("sentinelMaster", "redis-sentinel and redis-sentinel-streams"),
        ("sentinelPassword", "redis-sentinel and redis-sentinel-streams"),
    ],
)
def test_parameters_of_several_servers_are_refused_with_the_types_they_belong_to(name: str, belongs: str) -> None:
    text = refusal(**BASE, **{name: "correct-horse"})
    assert name in text
    assert belongs in text
    assert "horse" not in text


@pytest.mark.parametrize("given", ["1", "t", "TRUE", "true", True])
def test_booleans_are_those_of_go(given: Any) -> None:
    assert server(address="a:1", enableTLS=given).tls is not None


@pytest.mark.parametrize("given", ["yes", "on", "2", "tRUE", 1])
def test_other_words_are_no_booleans(given: Any) -> None:
    assert "expected true or false" in refusal(**BASE, enableTLS=given)


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "1e3", "05", "1_000", "", True, "9" * 20, 0])
def test_a_target_is_a_whole_number_above_0(given: Any) -> None:
    if given == "":
        assert RedisListConfig.model_validate({**BASE, "listLength": given}).target() == 5
    else:
        assert "listLength" in refusal(**BASE, listLength=given)


def test_tls_material_is_checked_at_once_and_not_shown() -> None:
    assert "PEM" in refusal(**BASE, enableTLS="true", ca="correct-horse")
    assert "both cert and key" in refusal(**BASE, enableTLS="true", key="correct-horse")
    assert "without TLS" in refusal(**BASE, ca="correct-horse")
    authority = trustme.CA()
    one, other = authority.issue_cert("a"), authority.issue_cert("b")
    cert, key = one.cert_chain_pems[0].bytes().decode(), other.private_key_pem.bytes().decode()
    text = refusal(**BASE, enableTLS="true", cert=cert, key=key)
    assert "matching PEM pair" in text
    assert key[30:60] not in text
    assert "horse" not in refusal(**BASE, enableTLS="true", ca="correct-horse", cert="correct-horse")


def test_tls_is_said_in_one_place() -> None:
    assert "not both" in refusal(**BASE, enableTLS="true", tls="enable")
    assert "tls" in refusal(**BASE, tls="true")


def test_equal_servers_are_equal_keys_and_show_no_password() -> None:
    parameters = {"address": "cache:1", "password": "horse", "enableTLS": "1"}
    one, other = server(**parameters), server(**parameters)
    assert hash(one) == hash(other)
    assert one == other
    assert one != server(**{**parameters, "password": "other"})
    assert "horse" not in f"{one!r} {one}"


@pytest.mark.parametrize(
    ("parameters", "target"),
    [
        pytest.param({}, 5, id="length"),
        pytest.param({"streamLength": "7"}, 7, id="length given"),
        pytest.param({"consumerGroup": "g"}, 5, id="pending"),
        pytest.param({"consumerGroup": "g", "pendingEntriesCount": "9"}, 9, id="pending given"),
        pytest.param({"consumerGroup": "g", "lagCount": "3"}, 3, id="lag"),
        pytest.param({"consumerGroup": "g", "lagCount": "0"}, 5, id="lag 0 is none"),
        pytest.param({"lagCount": "3"}, 5, id="lag without a group is none"),
    ],
)
def test_the_target_of_a_stream_is_that_of_what_is_counted(parameters: dict[str, str], target: float) -> None:
    config = RedisStreamsConfig.model_validate({"address": "cache:1", "stream": "jobs", **parameters})
    assert config.target() == target

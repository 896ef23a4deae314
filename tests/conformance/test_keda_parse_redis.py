"""Trigger parameters of the Redis scalers mean what KEDA's own code makes of them; each difference has a named rule.

KEDA parses the parameters of one server, of a cluster and of sentinels by the same code, and was recorded as `redis`
and `redis-streams`; so each case is compared with all three. Where a rule explains that a case is refused, what it
objects to is mended, so that the rest of the case is compared.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scaler.manifest.parameters import parameters as declared
from scaler.model import MetricType
from scaler.ports.scaler import Scaler
from scalers.redis.cluster import RedisClusterListScaler, RedisClusterStreamsScaler
from scalers.redis.config import SourceConfig
from scalers.redis.lists import ListConfig, RedisListScaler
from scalers.redis.sentinel import RedisSentinelListScaler, RedisSentinelStreamsScaler
from scalers.redis.servers import Cluster, Sentinels, Server, shown
from scalers.redis.streams import RedisStreamsScaler, StreamConfig

MEASURED = Path(__file__).parent / "data" / "keda-parse-redis.jsonl.gz"
UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance"
RECORDED_AS: dict[type[Scaler[Any]], str] = {
    RedisListScaler: "redis",
    RedisClusterListScaler: "redis",
    RedisSentinelListScaler: "redis",
    RedisStreamsScaler: "redis-streams",
    RedisClusterStreamsScaler: "redis-streams",
    RedisSentinelStreamsScaler: "redis-streams",
}
TARGETS = ("listLength", "pendingEntriesCount", "streamLength", "lagCount")
ADDRESSES = ("address", "addresses", "host", "hosts", "port", "ports")
SENTINELS = ("sentinelMaster", "sentinelUsername", "sentinelPassword")
STAND_IN = "stand-in:6379"


def load(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


@cache
def declared_sources(scaler: type[Scaler[Any]]) -> Mapping[str, str]:
    return {name: parameter.sources for name, parameter in declared(scaler.Config).items()}


def merged(case: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, Any]:
    """Take each parameter from where its declaration allows: metadata, then environment, then authentication."""
    metadata, auth, env = (dict(case.get(part) or {}) for part in ("metadata", "auth_params", "resolved_env"))
    parameters: dict[str, Any] = {}
    for name, letters in sources.items():
        places = {"M": metadata.pop(name, ""), "E": env.get(metadata.pop(f"{name}FromEnv", ""), "")}
        places["A"] = auth.pop(name, "")
        if value := next((places[letter] for letter in letters if places[letter].strip()), ""):
            parameters[name] = value
    return parameters | metadata


def mend(parameters: dict[str, Any], error: Mapping[str, Any]) -> str | None:
    """Mend what one of our errors objects to, and return the rule that makes us object where KEDA does not."""
    name, message = str(error["loc"][0]) if error["loc"] else "", error["msg"]
    if error["type"] == "extra_forbidden" and name not in ADDRESSES:
        del parameters[name]
        return "unknown parameters are refused"
    if "it belongs to" in message:
        del parameters[name]
        if name in ("addresses", "hosts"):
            parameters["address"] = STAND_IN
        return "several servers and sentinels are for the types that have them"
    if name in ("", *ADDRESSES):
        return mend_connection(parameters, error)
    return mend_value(parameters, name, error)


def mend_value(parameters: dict[str, Any], name: str, error: Mapping[str, Any]) -> str | None:
    if name == "sentinelMaster" and error["type"] == "missing":
        parameters[name] = "stand-in"
        return "sentinels are asked for a master by its name"
    value = int(parameters.pop(name))
    if name in TARGETS and value <= 0:
        return "a target is above 0"
    if name == "databaseIndex" and "database 0 only" in error["msg"]:
        return "a cluster has one database"
    if name == "databaseIndex" and value < 0:
        return "a database has no negative index"
    return None


def mend_connection(parameters: dict[str, Any], error: Mapping[str, Any]) -> str | None:
    message = error["msg"]
    material = {"ca", "cert", "Cert", "key", "keyPassword"}
    of_address = ("host:port", "a port from", "either an address", "either addresses", "as many hosts")
    if error["type"] == "extra_forbidden" or any(text in message for text in of_address):
        for name in ADDRESSES:
            parameters.pop(name, None)
        parameters["address"] = STAND_IN
        return "an address is one host with a port, given one way"
    if "PEM" in message or "both cert and key" in message or "without TLS" in message:
        for name in material:
            parameters.pop(name, None)
        return "certificates are checked at once, and need TLS"
    return None


def seen(config: SourceConfig) -> dict[str, Any]:
    """Return what we make of the parameters of all types, under KEDA's names."""
    source = config.source()
    if isinstance(source, Server):
        addressed, asking, sentinel = [source], source, {}
    elif isinstance(source, Cluster):
        addressed, asking, sentinel = list(source.seeds), source.seeds[0], {}
    else:
        assert isinstance(source, Sentinels)
        addressed, asking = list(source.sentinels), source.anywhere
        sentinel = {
            "sentinelMaster": source.name,
            "sentinelUsername": addressed[0].username,
            "sentinelPassword": addressed[0].password.get_secret_value(),
        }
    return {
        "address": sorted(shown((server.host, server.port)) for server in addressed),
        "username": asking.username,
        "password": asking.password.get_secret_value(),
        "databaseIndex": asking.database,
        "EnableTLS": asking.tls is not None,
        "unsafeSsl": config.unsafe_ssl,
        **sentinel,
    }


def compare(config: SourceConfig, given: Mapping[str, Any], parsed: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs, of the parameters that were left as they were given."""
    info = {**parsed["ConnectionInfo"], "databaseIndex": parsed["databaseIndex"]}
    # Go connects to this machine where there is no host.
    info["address"] = sorted(re.sub("^:", "localhost:", address) for address in info["address"])
    pairs = {name: (ours, info[name]) for name, ours in seen(config).items()}
    # What a rule took away, or put in its place, is not compared.
    if given.get("address") == STAND_IN:
        del pairs["address"]
    if given.get("sentinelMaster") == "stand-in":
        del pairs["sentinelMaster"]
    if "databaseIndex" not in given and isinstance(config.source(), Cluster):
        del pairs["databaseIndex"]
    if isinstance(config, ListConfig):
        pairs["listName"] = (config.list_name, parsed["listName"])
        pairs["activationListLength"] = (config.activation(), parsed["activationListLength"])
        pairs["listLength"] = (config.target(), parsed["listLength"])
    elif isinstance(config, StreamConfig):
        factor = {1: "pendingEntriesCount", 2: "streamLength", 3: "lagCount"}[parsed["scaleFactor"]]
        pairs["stream"] = (config.stream, parsed["stream"])
        pairs["consumerGroup"] = (config.consumer_group or "", parsed["consumerGroup"])
        pairs["activationLagCount"] = (config.activation(), parsed["activationLagCount"])
        pairs[factor] = (config.target(), parsed[factor])
    for name, (ours, kedas) in pairs.items():
        if ours != kedas and (name in given or name not in TARGETS or kedas > 0):
            yield f"{name}: {ours!r}, KEDA {kedas!r}"


def differences(scaler: type[Scaler[Any]], case: Mapping[str, Any], rules: Counter[str]) -> list[str]:
    """Return what no rule explains, counting the rules that explain the rest."""
    parameters = merged(case, declared_sources(scaler))
    applied: set[str] = set()
    while True:
        try:
            config = scaler.Config.model_validate(parameters)
        except ValidationError as refusal:
            errors = refusal.errors(include_input=False, include_context=False)
            # That a type has no sentinels, or needs the master's name, is not why KEDA refuses it.
            if case["is_error"] and any(error["loc"][:1] not in {(name,) for name in SENTINELS} for error in errors):
                return []
            for error in errors:
                rule = mend(parameters, error)
                if rule is None:
                    return [f"refused: {error['loc']} {error['msg']}"]
                applied.add(rule)
            continue
        break
    if case["is_error"]:
        return ["accepted, and KEDA refuses it"]
    rules.update(applied or {"equal"})
    utilization_refused = "error" in case["metric_spec"]
    if utilization_refused != (case["metric_type"] == MetricType.UTILIZATION):
        return [f"metricType {case['metric_type']}"]
    assert MetricType.UTILIZATION not in scaler.metric_types
    assert isinstance(config, SourceConfig)
    return list(compare(config, parameters, case["parsed"]))


def check(scaler: type[Scaler[Any]], cases: list[dict[str, Any]]) -> None:
    rules: Counter[str] = Counter({"refused by both": sum(case["is_error"] for case in cases)})
    found = [(case, differing) for case in cases if (differing := differences(scaler, case, rules))]
    print(f"{scaler.type}: {len(cases)} cases: {dict(rules)}")  # noqa: T201 - what the run is to show
    assert not found, f"{len(found)} cases differ; the first: {found[0]}"


@pytest.mark.parametrize("scaler", RECORDED_AS, ids=lambda scaler: scaler.type)
def test_parameters_mean_what_keda_makes_of_them(scaler: type[Scaler[Any]]) -> None:
    check(scaler, [case for case in load(MEASURED) if case["scaler"] == RECORDED_AS[scaler]])


@pytest.mark.parametrize("scaler", RECORDED_AS, ids=lambda scaler: scaler.type)
@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the upstream tables lie beside the checkout only")
def test_parameters_of_keda_s_own_tests_mean_the_same(scaler: type[Scaler[Any]]) -> None:
    check(scaler, load(UPSTREAM / f"table-keda-parse-{RECORDED_AS[scaler]}.jsonl.gz"))

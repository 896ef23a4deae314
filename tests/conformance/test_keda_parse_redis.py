"""Trigger parameters of the Redis scalers mean what KEDA's own code makes of them; each difference has a named rule.

Where a rule explains that a case is refused, what it objects to is mended, so that the rest of the case is compared.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scaler.model import MetricType
from scalers.redis.config import ConnectionConfig
from scalers.redis.lists import RedisListConfig, RedisListScaler
from scalers.redis.streams import RedisStreamsConfig, RedisStreamsScaler

MEASURED = Path(__file__).parent / "data" / "keda-parse-redis.jsonl.gz"
UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance"
SCALERS = {scaler.type: scaler for scaler in (RedisListScaler, RedisStreamsScaler)}
TARGETS = ("listLength", "pendingEntriesCount", "streamLength", "lagCount")
SEVERAL_SERVERS = ("addresses", "hosts", "ports", "sentinelMaster", "sentinelUsername", "sentinelPassword")
STAND_IN = {"address": "stand-in:6379"}


def load(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


@cache
def declared_sources(scaler: str) -> Mapping[str, str]:
    properties = SCALERS[scaler].Config.model_json_schema()["properties"]
    sources = {name: found.get("sources", "M") for name, found in properties.items()}
    return sources | dict.fromkeys(SEVERAL_SERVERS, "MEA")


def merged(case: Mapping[str, Any]) -> dict[str, Any]:
    """Take each parameter from where its declaration allows: metadata, then environment, then authentication."""
    sources = declared_sources(case["scaler"])
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
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        del parameters[name]
        return "unknown parameters are refused"
    if name in SEVERAL_SERVERS:
        del parameters[name]
        if name in ("addresses", "hosts"):
            parameters.update(STAND_IN)
        return "clusters and sentinels are not supported yet"
    if name in TARGETS and int(parameters[name]) <= 0:
        del parameters[name]
        return "a target is above 0"
    if name == "databaseIndex" and int(parameters[name]) < 0:
        del parameters[name]
        return "a database has no negative index"
    if name in ("", "address", "port"):
        return mend_connection(parameters, error["msg"])
    return None


def mend_connection(parameters: dict[str, Any], message: str) -> str | None:
    material = {"ca", "cert", "Cert", "key", "keyPassword"}
    if "host:port" in message or "a port from" in message or "either an address" in message:
        for name in ("address", "host", "port"):
            parameters.pop(name, None)
        parameters.update(STAND_IN)
        return "an address is one host with a port, given one way"
    if "PEM" in message or "both cert and key" in message or "without TLS" in message:
        for name in material:
            parameters.pop(name, None)
        return "certificates are checked at once, and need TLS"
    return None


def compare(config: ConnectionConfig, given: Mapping[str, Any], parsed: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs, of the parameters that were left as they were given."""
    info = parsed["ConnectionInfo"]
    server = config.server()
    pairs: dict[str, tuple[Any, Any]] = {
        "username": (server.username, info["username"]),
        "password": (server.password.get_secret_value(), info["password"]),
        "databaseIndex": (server.database, parsed["databaseIndex"]),
        "enableTLS": (server.tls is not None, info["EnableTLS"]),
        "unsafeSsl": (config.unsafe_ssl, info["unsafeSsl"]),
    }
    if given.get("address") != STAND_IN["address"]:
        pairs["address"] = (f"{server.host}:{server.port}", info["address"][0])
    if isinstance(config, RedisListConfig):
        pairs["listName"] = (config.list_name, parsed["listName"])
        pairs["activationListLength"] = (config.activation(), parsed["activationListLength"])
        pairs["listLength"] = (config.target(), parsed["listLength"])
    elif isinstance(config, RedisStreamsConfig):
        factor = {1: "pendingEntriesCount", 2: "streamLength", 3: "lagCount"}[parsed["scaleFactor"]]
        pairs["stream"] = (config.stream, parsed["stream"])
        pairs["consumerGroup"] = (config.consumer_group or "", parsed["consumerGroup"])
        pairs["activationLagCount"] = (config.activation(), parsed["activationLagCount"])
        pairs[factor] = (config.target(), parsed[factor])
    for name, (ours, kedas) in pairs.items():
        # What a rule took away is not compared.
        if ours != kedas and (name in given or name not in TARGETS or kedas > 0):
            yield f"{name}: {ours!r}, KEDA {kedas!r}"


def differences(case: Mapping[str, Any], rules: Counter[str]) -> list[str]:
    """Return what no rule explains, counting the rules that explain the rest."""
    scaler = SCALERS[case["scaler"]]
    parameters = merged(case)
    applied: set[str] = set()
    while True:
        try:
            config = scaler.Config.model_validate(parameters)
        except ValidationError as refusal:
            if case["is_error"]:
                return []
            for error in refusal.errors(include_input=False, include_context=False):
                rule = mend(parameters, error)
                if rule is None:
                    return [f"refused: {error['loc']} {error['msg']}"]
                applied.add(rule)
            continue
        break
    if case["is_error"]:
        return ["accepted, and KEDA refuses it"]
    rules.update(applied)
    utilization_refused = "error" in case["metric_spec"]
    if utilization_refused != (case["metric_type"] == MetricType.UTILIZATION):
        return [f"metricType {case['metric_type']}"]
    assert MetricType.UTILIZATION not in scaler.metric_types
    assert isinstance(config, ConnectionConfig)
    return list(compare(config, parameters, case["parsed"]))


def check(cases: list[dict[str, Any]]) -> None:
    rules: Counter[str] = Counter()
    found = [(case, differing) for case in cases if (differing := differences(case, rules))]
    print(f"{len(cases)} cases; explained by rule: {dict(rules)}")  # noqa: T201 - what the run is to show
    assert not found, f"{len(found)} cases differ; the first: {found[0]}"


@pytest.mark.parametrize("scaler", sorted(SCALERS))
def test_parameters_mean_what_keda_makes_of_them(scaler: str) -> None:
    check([case for case in load(MEASURED) if case["scaler"] == scaler])


@pytest.mark.parametrize("scaler", sorted(SCALERS))
@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the upstream tables lie beside the checkout only")
def test_parameters_of_keda_s_own_tests_mean_the_same(scaler: str) -> None:
    check(load(UPSTREAM / f"table-keda-parse-{scaler}.jsonl.gz"))

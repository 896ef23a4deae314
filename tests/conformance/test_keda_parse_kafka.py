"""Trigger parameters of the Kafka scalers mean what KEDA's own code makes of them; each difference has a named rule.

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
from scalers.kafka.apache import ApacheKafkaConfig, ApacheKafkaScaler
from scalers.kafka.config import KafkaLagConfig
from scalers.kafka.kafka import KafkaConfig, KafkaScaler
from scalers.kafka.server import OAuth, Password

MEASURED = Path(__file__).parent / "data" / "keda-parse-kafka.jsonl.gz"
UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance"
SCALERS = {scaler.type: scaler for scaler in (KafkaScaler, ApacheKafkaScaler)}
KERBEROS = ("keytab", "realm", "kerberosConfig", "kerberosServiceName", "kerberosDisableFAST")
MATERIAL = ("ca", "cert", "key", "keyPassword")


def load(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


@cache
def declared_sources(scaler: str) -> Mapping[str, str]:
    properties = SCALERS[scaler].Config.model_json_schema()["properties"]
    sources = {name: found.get("sources", "M") for name, found in properties.items()}
    return sources | dict.fromkeys(KERBEROS, "A") | {"awsRegion": "M"}


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


# A part of our text, what is taken away, what is put in its place, and the rule that makes us object.
RULES: tuple[tuple[str, tuple[str, ...], dict[str, str], str], ...] = (
    ("Kerberos library", (), {}, "gssapi needs a library that is not carried"),
    ("its own cloud", ("sasl",), {}, "aws_msk_iam exists in its own cloud only"),
    ("https URL", (), {"oauthTokenEndpointUri": "https://stand-in"}, "a token endpoint is an http or https URL"),
    ("sasl scram", (), {"username": "stand-in", "password": "stand-in"}, "scram needs a username and a password"),
    ("PEM", MATERIAL, {}, "certificates are checked at once, and need TLS"),
    ("without TLS", MATERIAL, {}, "certificates are checked at once, and need TLS"),
)


def mend(parameters: dict[str, Any], error: Mapping[str, Any]) -> str | None:
    """Mend what one of our errors objects to, and return the rule that makes us object where KEDA does not."""
    objected = [str(part) for part in error["loc"][:1]]
    rule = "unknown parameters are refused"
    if error["type"] != "extra_forbidden":
        found = next((each for each in RULES if each[0] in error["msg"]), None)
        if found is None:
            return None
        _, removed, replaced, rule = found
        objected += removed
        parameters.update(replaced)
        objected = [name for name in objected if name not in replaced]
    for name in objected:
        parameters.pop(name, None)
    return rule


def compare(config: KafkaLagConfig, given: Mapping[str, Any], parsed: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs, of the parameters that were left as they were given."""
    server, rules = config.server(), config.rules()
    tls = parsed["enableTLS"] if "enableTLS" in parsed else parsed["tls"] == "enable"
    pairs: dict[str, tuple[Any, Any]] = {
        "bootstrapServers": ([host for host, _ in server.bootstrap], [_host(it) for it in parsed["bootstrapServers"]]),
        "consumerGroup": (config.consumer_group, parsed["consumerGroup"]),
        "lagThreshold": (config.target(), parsed["lagThreshold"]),
        "activationLagThreshold": (config.activation(), parsed["activationLagThreshold"]),
        "offsetResetPolicy": (rules.from_earliest, parsed["offsetResetPolicy"] == "earliest"),
        "allowIdleConsumers": (rules.allow_idle_consumers, parsed["allowIdleConsumers"]),
        "excludePersistentLag": (rules.exclude_persistent, parsed["excludePersistentLag"]),
        "scaleToZeroOnInvalidOffset": (rules.nothing_when_uncommitted, parsed["scaleToZeroOnInvalidOffset"]),
        "limitToPartitionsWithLag": (rules.limit_to_partitions_with_lag, parsed["limitToPartitionsWithLag"]),
        "ensureEvenDistributionOfPartitions": (rules.even_distribution, parsed["ensureEvenDistributionOfPartitions"]),
        "tls": (server.tls is not None, tls),
    }
    if isinstance(server.sasl, Password) and server.sasl.username != "stand-in":
        pairs["username"] = (server.sasl.username, parsed["username"])
        pairs["password"] = (server.sasl.password.get_secret_value(), parsed["password"])
    if isinstance(config, KafkaConfig):
        pairs |= of_kafka(config, parsed)
    elif isinstance(config, ApacheKafkaConfig):
        pairs["topic"] = (config.topics(), frozenset(parsed["topic"] or ()))
        if config.topics():
            pairs["partitionLimitation"] = (config.partitions(), frozenset(parsed["partitionLimitation"] or ()))
        if "sasl" in given:
            pairs["sasl"] = (config.sasl_kind(), parsed["sasl"])
    for name, (ours, kedas) in pairs.items():
        if ours != kedas:
            yield f"{name}: {ours!r}, KEDA {kedas!r}"


def of_kafka(config: KafkaConfig, parsed: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    pairs: dict[str, tuple[Any, Any]] = {
        "topic": (config.topic or "", parsed["topic"]),
        "partitionLimitation": (config.partitions(), frozenset(parsed["PartitionLimitation"] or ())),
        "fullMetadata": (config.full_metadata, parsed["fullMetadata"]),
        "unsafeSsl": (config.unsafe_ssl, parsed["unsafeSsl"]),
        "version": ([*map(int, config.version.split(".")), 0], parsed["version"]["version"]),
    }
    if isinstance(sasl := config.server().sasl, OAuth):
        pairs["sasl"] = ("oauthbearer", parsed["saslType"])
        pairs["scopes"] = (sasl.scopes, tuple(it.strip() for it in parsed["scopes"] if it.strip()))
        pairs["oauthExtensions"] = (dict(sasl.extensions), parsed["oauthExtensions"])
        pairs["username"] = (sasl.client_id, parsed["username"])
        if sasl.endpoint != "https://stand-in":
            pairs["oauthTokenEndpointUri"] = (sasl.endpoint, parsed["oauthTokenEndpointUri"])
    return pairs


def _host(address: str) -> str:
    return address.partition(":")[0]


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
        if not (case["metadata"].get("sasl") and case["auth_params"].get("sasl")):
            return ["accepted, and KEDA refuses it"]
        rules["of two values the metadata's counts"] += 1
        return []
    rules.update(applied)
    utilization_refused = "error" in case["metric_spec"]
    if utilization_refused != (case["metric_type"] == MetricType.UTILIZATION):
        return [f"metricType {case['metric_type']}"]
    assert MetricType.UTILIZATION not in scaler.metric_types
    assert isinstance(config, KafkaLagConfig)
    return list(compare(config, parameters, case["parsed"]))


def check(cases: list[dict[str, Any]]) -> None:
    rules: Counter[str] = Counter()
    found = [(case, differing) for case in cases if (differing := differences(case, rules))]
    print(f"{len(cases)} cases; explained by rule: {dict(rules)}")  # noqa: T201 - what the run is to show
    assert cases
    assert not found, f"{len(found)} cases differ; the first: {found[0]}"


@pytest.mark.parametrize("scaler", sorted(SCALERS))
def test_parameters_mean_what_keda_makes_of_them(scaler: str) -> None:
    check([case for case in load(MEASURED) if case["scaler"] == scaler])


@pytest.mark.parametrize("scaler", sorted(SCALERS))
@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the upstream tables lie beside the checkout only")
def test_parameters_of_keda_s_own_tests_mean_the_same(scaler: str) -> None:
    check(load(UPSTREAM / f"table-keda-parse-{scaler}.jsonl.gz"))

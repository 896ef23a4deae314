"""Trigger parameters of the RabbitMQ scaler mean what KEDA's own code makes of them; each difference has a named rule.

Where a rule explains that a case is refused, what it objects to is mended, so that the rest of the case is compared.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scaler.model import MetricType
from scalers.rabbitmq.config import RabbitMQConfig
from scalers.rabbitmq.queues import RabbitMQScaler

MEASURED = Path(__file__).parent / "data" / "keda-parse-rabbitmq.jsonl.gz"
UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance"
CLOUD = ("workloadIdentityResource",)
OAUTH = ("clientID", "clientSecret", "oauthTokenURI", "scopes", "endpointParams")
STAND_IN = {"amqp": "amqp://stand-in", "http": "http://stand-in", "auto": "http://stand-in"}
MATERIAL = ("ca", "cert", "key", "keyPassword")


def load(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def merged(case: Mapping[str, Any]) -> dict[str, Any]:
    """Take each parameter from where its declaration allows: metadata, then environment, then authentication."""
    properties = RabbitMQConfig.model_json_schema()["properties"]
    sources = {name: found.get("sources", "M") for name, found in properties.items()}
    sources |= dict.fromkeys((*OAUTH, *CLOUD), "A")
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
    name, message = (str(error["loc"][0]) if error["loc"] else ""), error["msg"]
    removed = {name}
    if error["type"] == "extra_forbidden":
        rule = "unknown parameters are refused"
    elif name in OAUTH:
        rule = "OAuth is not supported yet"
    elif name in CLOUD:
        rule = "identities of a cloud exist only there"
    elif "PEM" in message or "without TLS" in message:
        removed = {"tls", *MATERIAL}
        rule = "certificates are checked at once, and need a URL with TLS"
    elif name in ("value", "queueLength") and "above 0" in message:
        parameters[name], removed = "1", set()
        rule = "a target is above 0"
    elif name == "host" or "as protocol says" in message:
        parameters["host"], removed = STAND_IN[parameters.get("protocol", "http")], set()
        rule = "host is a URL that names a server and fits the protocol"
    else:
        return None
    for gone in removed:
        parameters.pop(gone, None)
    return rule


def compare(config: RabbitMQConfig, given: Mapping[str, Any], case: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs, of the parameters that were left as they were given."""
    parsed, spec = case["parsed"], case["metric_spec"]
    pairs: dict[str, tuple[Any, Any]] = {
        "queueName": (config.queue_name, parsed["queueName"]),
        "mode": (config.measured_mode, parsed["mode"]),
        "activationValue": (config.activation(), parsed["activationValue"]),
        "vhostName": (config.vhost_name, parsed["vhostName"]),
        "useRegex": (config.use_regex, parsed["useRegex"]),
        "operation": (config.operation, parsed["operation"]),
        "pageSize": (config.page_size, parsed["pageSize"]),
        "excludeUnacknowledged": (config.exclude_unacknowledged, parsed["excludeUnacknowledged"]),
        "unsafeSsl": (config.unsafe_ssl, parsed["unsafeSsl"]),
        "timeout": (config.read_timeout_s() or 0, parsed["timeout"]["seconds"]),
        "username": (config.username, parsed["username"]),
        "password": (config.password.get_secret_value(), parsed["password"]),
        "tls": (config.tls, parsed["tls"]),
        "target": (config.target(), parsed["value"]),
    }
    if "stand-in" not in config.host.get_secret_value():
        is_http = config.address().scheme.startswith("http")
        pairs["protocol"] = ("http" if is_http else "amqp", parsed["protocol"])
        pairs["host"] = (config.host.get_secret_value(), parsed["host"])
    for name, (ours, kedas) in pairs.items():
        unchanged = not (name == "tls" and name not in given) and not (name == "target" and kedas <= 0)
        if ours != kedas and unchanged:
            yield f"{name}: {ours!r}, KEDA {kedas!r}"
    assert ("error" in spec) == (case["metric_type"] == MetricType.UTILIZATION)


def differences(case: Mapping[str, Any], rules: Counter[str]) -> list[str]:
    """Return what no rule explains, counting the rules that explain the rest."""
    parameters = merged(case)
    applied: set[str] = set()
    while True:
        try:
            config = RabbitMQConfig.model_validate(parameters)
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
    rules["equal"] += not applied
    return list(compare(config, parameters, case))


def check(cases: list[dict[str, Any]]) -> None:
    rules: Counter[str] = Counter()
    found = [(case, differing) for case in cases if (differing := differences(case, rules))]
    refused = sum(case["is_error"] for case in cases)
    print(f"{len(cases)} cases; refused by both: {refused}; accepted, by rule: {dict(rules)}")  # noqa: T201
    assert not found, f"{len(found)} cases differ; the first: {found[0]}"


def test_parameters_mean_what_keda_makes_of_them() -> None:
    assert MetricType.UTILIZATION not in RabbitMQScaler.metric_types
    check(load(MEASURED))


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the upstream tables lie beside the checkout only")
def test_parameters_of_keda_s_own_tests_mean_the_same() -> None:
    check(load(UPSTREAM / "table-keda-parse-rabbitmq.jsonl.gz"))

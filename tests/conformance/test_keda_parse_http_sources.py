"""Parameters of `prometheus` and `metrics-api` mean what KEDA's own code makes of them; each difference has a rule.

Where a rule explains that a case is refused, what it objects to is mended, so that the rest of the case is compared.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scaler.clients.http_auth import AuthMode, HttpSourceConfig
from scaler.manifest.parameters import parameters
from scaler.model import MetricType
from scalers.metrics_api.api import MetricsApiConfig, MetricsApiScaler
from scalers.prometheus.query import PrometheusConfig, PrometheusScaler

DATA = Path(__file__).parent / "data"
UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance"
SCALERS = {scaler.type: scaler for scaler in (PrometheusScaler, MetricsApiScaler)}
URLS = ("serverAddress", "url")
TARGETS = ("threshold", "targetValue")
CERTIFICATES = ("ca", "cert", "key")
STAND_IN = "http://stand-in:1"


def merged(case: Mapping[str, Any]) -> dict[str, Any]:
    """Take each parameter from where its declaration allows: metadata, then environment, then authentication."""
    metadata, auth, env = (dict(case.get(part) or {}) for part in ("metadata", "auth_params", "resolved_env"))
    found: dict[str, Any] = {}
    for name, declared in parameters(SCALERS[case["scaler"]].Config).items():
        places = {"M": metadata.pop(name, ""), "E": env.get(metadata.pop(f"{name}FromEnv", ""), "")}
        places["A"] = auth.pop(name, "")
        if value := next((places[letter] for letter in declared.sources if places[letter].strip()), ""):
            found[name] = value
    return found | metadata


def mend(given: dict[str, Any], error: Mapping[str, Any]) -> str | None:
    """Mend what one of our errors objects to, and return the rule that makes us object where KEDA does not."""
    name, message = str(error["loc"][0]) if error["loc"] else "", error["msg"]
    if error["type"] == "extra_forbidden" or name == "metricName":
        del given[name]
        return "unknown parameters are refused"
    if name in URLS and "://" not in given[name]:
        given[name] = STAND_IN
        return "an address is an http or https URL"
    if name in TARGETS and float(given[name]) <= 0:
        del given[name]
        given[name] = "1"
        return "a target is above 0"
    if name == "credentialsFromEnvFile":
        del given[name]
        return "what exists in a cloud only is refused"
    return mend_access(given, message) if not name else None


def mend_access(given: dict[str, Any], message: str) -> str | None:
    if "without which" in message:
        for name in message.partition("without which ")[2].removesuffix(" would not be used").split(", "):
            given.pop(name, None)
            if name == "bearerToken":
                given.pop("token", None)
        return "credentials whose mode authModes does not name are refused"
    if "without TLS" in message or "PEM" in message:
        for name in CERTIFICATES:
            given.pop(name, None)
        modes = "authModes" if "authModes" in given else "authMode"
        rest = [mode.strip() for mode in given.pop(modes, "").split(",") if mode.strip() not in {"tls", ""}]
        if rest:
            given[modes] = ",".join(rest)
        return "certificates are checked at once, and need https"
    return None


def compare(config: HttpSourceConfig, given: Mapping[str, Any], parsed: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs, of the parameters that were left as they were given."""
    auth = parsed["PrometheusAuth" if isinstance(config, PrometheusConfig) else "MetricsAPIAuth"]
    modes = [mode for mode in auth["authModes"] or [] if mode != AuthMode.TLS or AuthMode.TLS in config.auth_modes]
    pairs: dict[str, tuple[Any, Any]] = {
        "authModes": (list(config.auth_modes), modes),
        "timeout": (config.timeout / 1000, parsed["timeout"]["seconds"]),
        "unsafeSsl": (config.unsafe_ssl, parsed["unsafeSsl"]),
    }
    if AuthMode.BASIC in config.auth_modes:
        pairs["username"] = (config.username, auth["BasicAuth"]["username"])
        pairs["password"] = (config.password.get_secret_value(), auth["BasicAuth"]["password"])
    if AuthMode.BEARER in config.auth_modes:
        pairs["bearerToken"] = (config.bearer_token.get_secret_value(), auth["bearerToken"])
    if AuthMode.CUSTOM in config.auth_modes:
        pairs["customAuthHeader"] = (config.custom_auth_header, auth["CustomAuth"]["customAuthHeader"])
        pairs["customAuthValue"] = (config.custom_auth_value.get_secret_value(), auth["CustomAuth"]["customAuthValue"])
    if AuthMode.API_KEY in config.auth_modes:
        pairs["apiKey"] = (config.api_key.get_secret_value(), auth["APIKeyAuth"]["apiKey"])
        pairs["method"] = (config.method, auth["APIKeyAuth"]["method"])
        pairs["keyParamName"] = (config.key_param_name, auth["APIKeyAuth"]["keyParamName"])
    pairs |= dict(own_parameters(config, parsed))
    for name, (ours, kedas) in pairs.items():
        # What a rule replaced is not compared.
        mended = (name in URLS and given[name] == STAND_IN) or (name in TARGETS and kedas <= 0)
        if ours != kedas and not mended:
            yield f"{name}: {ours!r}, KEDA {kedas!r}"


def own_parameters(config: HttpSourceConfig, parsed: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if isinstance(config, PrometheusConfig):
        yield "serverAddress", (config.server_address, parsed["serverAddress"])
        yield "query", (config.query, parsed["query"])
        yield "threshold", (config.target(), parsed["threshold"])
        yield "activationThreshold", (config.activation(), parsed["activationThreshold"])
        yield "namespace", (config.namespace, parsed["namespace"])
        yield "queryParameters", (config.query_parameters, parsed["queryParameters"] or {})
        yield "customHeaders", (config.custom_headers, parsed["customHeaders"] or {})
        yield "ignoreNullValues", (config.ignore_null_values, parsed["ignoreNullValues"])
    elif isinstance(config, MetricsApiConfig):
        yield "url", (config.url, parsed["url"])
        yield "valueLocation", (config.value_location, parsed["valueLocation"])
        yield "format", (config.format, parsed["format"])
        yield "targetValue", (config.target(), parsed["targetValue"])
        yield "activationTargetValue", (config.activation(), parsed["activationTargetValue"])
        yield "aggregate", (config.every_address, parsed["aggregateFromKubeServiceEndpoints"])
        yield "aggregationType", (config.aggregation_type, parsed["aggregationType"])


def differences(case: Mapping[str, Any], rules: Counter[str]) -> list[str]:
    """Return what no rule explains, counting the rules that explain the rest."""
    scaler = SCALERS[case["scaler"]]
    given = merged(case)
    applied: set[str] = set()
    if case.get("pod_identity"):
        applied.add("pod identities exist in a cloud only, and are refused where an authentication is read")
    while True:
        try:
            config = scaler.Config.model_validate(given)
        except ValidationError as refusal:
            if case["is_error"]:
                return []
            for error in refusal.errors(include_input=False, include_context=False):
                rule = mend(given, error)
                if rule is None:
                    return [f"refused: {error['loc']} {error['msg']}"]
                applied.add(rule)
            continue
        break
    if case["is_error"]:
        rules.update(applied)
        return [] if case.get("pod_identity") else ["accepted, and KEDA refuses it"]
    rules.update(applied)
    if ("error" in case["metric_spec"]) != (case["metric_type"] == MetricType.UTILIZATION):
        return [f"metricType {case['metric_type']}"]
    assert MetricType.UTILIZATION not in scaler.metric_types
    assert isinstance(config, HttpSourceConfig)
    found = list(compare(config, given, case["parsed"]))
    if not found and not applied:
        rules["equal"] += 1
    return found


def check(path: Path, record: Callable[[str, object], None]) -> None:
    with gzip.open(path, "rt") as lines:
        cases = [json.loads(line) for line in lines]
    rules: Counter[str] = Counter()
    found = [(case, differing) for case in cases if (differing := differences(case, rules))]
    refused = sum(case["is_error"] and not case.get("pod_identity") for case in cases)
    record("conformance", f"{path.name}: {len(cases)} recorded, {refused} refused by both; {dict(rules)}")
    assert not found, f"{len(found)} cases differ; the first: {found[0]}"


@pytest.mark.parametrize("scaler", sorted(SCALERS))
def test_parameters_mean_what_keda_makes_of_them(scaler: str, record_property: Callable[[str, object], None]) -> None:
    check(DATA / f"keda-parse-{scaler}.jsonl.gz", record_property)


@pytest.mark.parametrize("scaler", sorted(SCALERS))
@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the upstream tables lie beside the checkout only")
def test_parameters_of_keda_s_own_tests_mean_the_same(
    scaler: str, record_property: Callable[[str, object], None]
) -> None:
    check(UPSTREAM / f"table-keda-parse-{scaler}.jsonl.gz", record_property)

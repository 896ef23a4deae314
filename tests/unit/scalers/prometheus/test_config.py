"""What the parameters of prometheus become: a request, a way to ask."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from scalers.prometheus.query import PrometheusConfig

MINIMUM = {"serverAddress": "http://prometheus:9090", "query": "sum(up)", "threshold": "5"}


def config(**parameters: Any) -> PrometheusConfig:
    return PrometheusConfig.model_validate({**MINIMUM, **parameters})


@pytest.mark.parametrize(
    ("parameters", "target"),
    [
        ({}, "/api/v1/query?query=sum%28up%29"),
        ({"serverAddress": "http://vm/select/0/prometheus/"}, "/select/0/prometheus/api/v1/query?query=sum%28up%29"),
        ({"query": 'up{a="b&c"} + 1'}, "/api/v1/query?query=up%7Ba%3D%22b%26c%22%7D+%2B+1"),
        ({"namespace": "a b"}, "/api/v1/query?query=sum%28up%29&namespace=a+b"),
        ({"queryParameters": "x=1, y = 2 3"}, "/api/v1/query?query=sum%28up%29&x=1&y=2+3"),
        (
            {"authModes": "apiKey", "apiKey": "k", "method": "query"},
            "/api/v1/query?query=sum%28up%29&api_key=k",
        ),
    ],
)
def test_what_is_asked(parameters: dict[str, Any], target: str) -> None:
    assert config(**parameters).request().target == target


def test_equal_queries_are_equal_requests() -> None:
    assert config().request() == config(threshold="7").request()
    assert config().request() != config(customHeaders="X-Scope-OrgID=north").request()


@pytest.mark.parametrize(
    ("parameters", "name", "why"),
    [
        ({"serverAddress": "prometheus:9090"}, "serverAddress", "a URL"),
        ({"serverAddress": "http://prometheus/?a=b"}, "serverAddress", "queryParameters"),
        ({"threshold": "-1"}, "threshold", "above 0"),
        ({"customHeaders": "X Y=1"}, "customHeaders", "name of an HTTP header"),
        ({"customHeaders": "=1"}, "customHeaders", "name of an HTTP header"),
        ({"customHeaders": "X=1\n2"}, "customHeaders", "line breaks"),
        ({"queryParameters": "a"}, "queryParameters", "name=value"),
        ({"awsRegion": "eu-west-1"}, "awsRegion", "AWS"),
        ({"identityOwner": "operator"}, "identityOwner", "cloud"),
        ({"credentialsFromEnvFile": "X"}, "credentialsFromEnvFile", "Google"),
        ({"metricName": "x"}, "metricName", "leave it out"),
        ({"timeout": "1.5"}, "timeout", "whole number"),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], name: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why) as caught:
        config(**parameters)
    assert [error["loc"] for error in caught.value.errors()] == [(name,)]


def test_a_time_out_is_in_milliseconds() -> None:
    assert (config().read_timeout_s(), config().request().timeout_s) == (None, 3.0)
    assert config(timeout="0").read_timeout_s() is None
    given = config(timeout="250")
    assert (given.read_timeout_s(), given.request().timeout_s) == (0.25, 0.25)

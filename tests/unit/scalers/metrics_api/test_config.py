"""What the parameters of metrics-api become: a request, a way to ask."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from scalers.metrics_api.api import MetricsApiConfig

MINIMUM = {"url": "http://api:8080/stats", "valueLocation": "a", "targetValue": "5"}


def config(**parameters: Any) -> MetricsApiConfig:
    return MetricsApiConfig.model_validate({**MINIMUM, **parameters})


@pytest.mark.parametrize(
    ("parameters", "target"),
    [
        ({}, "/stats"),
        ({"url": "http://api"}, "/"),
        ({"url": "http://api?a=b%20c"}, "/?a=b%20c"),
        ({"url": "http://api/x y?q=é"}, "/x%20y?q=%C3%A9"),
        ({"authMode": "apiKey", "apiKey": "k&1", "method": "query"}, "/stats?api_key=k%261"),
        (
            {
                "url": "http://api/s?a=1",
                "authMode": "apiKey",
                "apiKey": "k",
                "method": "query",
                "keyParamName": "key",
            },
            "/s?a=1&key=k",
        ),
    ],
)
def test_what_is_asked(parameters: dict[str, Any], target: str) -> None:
    assert config(**parameters).request().target == target


def test_a_slow_address_leaves_time_for_the_others() -> None:
    assert config().read_timeout_s() is None
    assert config(timeout="700").read_timeout_s() == 0.7
    assert config(timeout="700", aggregateFromKubeServiceEndpoints="true").read_timeout_s() == 1.2
    assert config(aggregateFromKubeServiceEndpoints="true").read_timeout_s() == 3.5


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"url": "api:8080"}, "url"),
        ({"url": "ftp://api/"}, "url"),
        ({"url": "http://api:99999/"}, "url"),
        ({"url": "http:///x"}, "url"),
        ({"targetValue": "0"}, "targetValue"),
        ({"targetValue": "x"}, "targetValue"),
        ({"format": "csv"}, "format"),
        ({"aggregationType": "median"}, "aggregationType"),
        ({"timeout": "-1"}, "timeout"),
        ({"format": "prometheus", "valueLocation": "m{"}, ""),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**parameters)
    assert [error["loc"] for error in caught.value.errors()] == [(name,) if name else ()]


def test_a_password_in_the_url_is_shown_nowhere() -> None:
    given = config(url="http://worker:sesame@api/stats")
    assert (
        "sesame" not in f"{given!r} {given} {given.server()!r} {given.server()} {given.request()!r} {given.address()!r}"
    )
    assert given.server().headers[0][1].get_secret_value() == "Basic d29ya2VyOnNlc2FtZQ=="
    with pytest.raises(ValidationError) as caught:
        config(url="http://worker:sesame@api:port/")
    assert "sesame" not in str(caught.value)


def test_a_key_in_the_query_is_shown_nowhere() -> None:
    given = config(authMode="apiKey", apiKey="sesame", method="query")
    assert "sesame" in given.request().target
    assert "sesame" not in f"{given!r} {given.request()!r}"

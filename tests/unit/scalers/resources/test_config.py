"""What a target may be, and how it is meant."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from scaler.model import MetricType
from scalers.resources.config import ResourceConfig


@pytest.mark.parametrize(
    ("value", "target"), [("50", 50), ("1.5", 1.5), ("500m", 0.5), ("256Mi", 2**28), ("1G", 10**9)]
)
def test_a_target_is_a_quantity(value: str, target: float) -> None:
    assert ResourceConfig.model_validate({"value": value}).target() == target


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1e3x", "", "NaN", "50%"])
def test_a_target_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        ResourceConfig.model_validate({"value": value})


@pytest.mark.parametrize("type_", ["Utilization", "AverageValue"])
def test_one_of_two_places_says_how_it_is_meant(type_: str) -> None:
    silent, saying = (ResourceConfig.model_validate({"value": "50", **given}) for given in ({}, {"type": type_}))
    assert silent.metric_type(MetricType(type_)) is saying.metric_type(None) is MetricType(type_)
    with pytest.raises(ValueError, match="Utilization or AverageValue"):
        silent.metric_type(None)
    with pytest.raises(ValueError, match="not both"):
        saying.metric_type(MetricType(type_))


@pytest.mark.parametrize("value", ["1.5", "500m", "99999999999"])
def test_a_utilization_is_whole_percent(value: str) -> None:
    config = ResourceConfig.model_validate({"value": value})
    assert config.metric_type(MetricType.AVERAGE_VALUE) is MetricType.AVERAGE_VALUE
    with pytest.raises(ValueError, match="whole number of percent"):
        config.metric_type(MetricType.UTILIZATION)


def test_the_activation_that_kedas_page_shows_and_keda_ignores_is_refused_with_the_reason() -> None:
    with pytest.raises(ValidationError, match="leave it out"):
        ResourceConfig.model_validate({"value": "50", "activationValue": "30"})

"""The http trigger's parameters: defaults, Knative's bounds, and what each means for the decision."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from scaler.model import ConcurrencyPolicy
from scalers.http.config import HttpConfig
from scalers.http.requests import HttpScaler


def config(**parameters: Any) -> HttpConfig:
    return HttpConfig.model_validate(parameters)


def test_the_defaults_are_azure_s_target_and_knative_s_rules() -> None:
    assert (config().target(), config().activation()) == (10, 0)
    assert config().concurrency() == ConcurrencyPolicy(
        stable_window_s=60,
        panic_window_s=6,
        panic_threshold=2,
        max_up_rate=1000,
        max_down_rate=2,
        scale_down_delay_s=0,
        activation_scale=1,
    )


def test_every_rule_is_given_under_knative_s_name() -> None:
    assert config(
        window="120",
        panicWindowPercentage="25",
        panicThresholdPercentage="150",
        maxScaleUpRate="10",
        maxScaleDownRate="1.5",
        scaleDownDelay="15m",
        activationScale="3",
        metricAggregationAlgorithm="weighted-exponential",
    ).concurrency() == ConcurrencyPolicy(
        stable_window_s=120,
        panic_window_s=30,
        panic_threshold=1.5,
        max_up_rate=10,
        max_down_rate=1.5,
        scale_down_delay_s=900,
        activation_scale=3,
        weighted=True,
    )


@pytest.mark.parametrize(
    ("parameters", "target"),
    [
        ({"concurrentRequests": "50"}, 50),
        ({"concurrentRequests": "10", "targetUtilizationPercentage": "70"}, 7),
        ({"concurrentRequests": "1", "targetUtilizationPercentage": "1"}, 0.01),
        ({"metric": "rate", "concurrentRequests": "5", "targetUtilizationPercentage": "50"}, 2.5),
    ],
)
def test_the_target_is_the_utilized_part(parameters: dict[str, str], target: float) -> None:
    assert config(**parameters).target() == pytest.approx(target)


@pytest.mark.parametrize(
    ("window", "percentage", "panic"),
    [("60", "10", 6), ("6", "1", 1), ("65", "10", 7), ("64", "10", 6), ("3600", "100", 3600)],
)
def test_the_panic_window_is_rounded_to_a_second_and_at_least_one(window: str, percentage: str, panic: float) -> None:
    rules = config(window=window, panicWindowPercentage=percentage).concurrency()
    assert rules is not None
    assert rules.panic_window_s == panic


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60), ("60s", 60), ("1m", 60), ("1m30s", 90), ("1h", 3600), (" 7 ", 7), ("90", 90)]
)
def test_seconds_may_be_written_as_a_duration(text: str, seconds: int) -> None:
    assert config(window=text).window == seconds


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("window", "6", "3600"),
        ("panicWindowPercentage", "1", "100"),
        ("panicThresholdPercentage", "110", "1000"),
        ("scaleDownDelay", "0", "3600"),
        ("targetUtilizationPercentage", "1", "100"),
    ],
)
def test_bounds_are_knative_s(name: str, least: str, most: str) -> None:
    for good in (least, most):
        config(**{name: good})
    for bad in (str(float(least) - 0.5), str(int(least) - 1), str(int(most) + 1), "much", "-1", "1e400"):
        with pytest.raises(ValidationError) as caught:
            config(**{name: bad})
        assert [error["loc"] for error in caught.value.errors()] == [(name,)], bad


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("concurrentRequests", "0"),
        ("concurrentRequests", "1.5"),
        ("concurrentRequests", "-1"),
        ("concurrentRequests", "ten"),
        ("maxScaleUpRate", "1"),
        ("maxScaleDownRate", "1"),
        ("maxScaleDownRate", "0.5"),
        ("activationScale", "0"),
        ("activationScale", "2.5"),
        ("metric", "rps"),
        ("metric", "Rate"),
        ("window", "6.5"),
        ("window", "s"),
        ("window", "1d"),
        ("window", "60ms"),
        ("window", True),
    ],
)
def test_what_means_nothing_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**{name: value})
    assert [error["loc"] for error in caught.value.errors()] == [(name,)]


@pytest.mark.parametrize(("name", "value"), [("maxScaleUpRate", "1.01"), ("maxScaleDownRate", "1.01"), ("window", 60)])
def test_what_is_just_good_is_accepted(name: str, value: Any) -> None:
    config(**{name: value})


def test_blank_parameters_count_as_absent() -> None:
    assert config(window="", concurrentRequests=" ", metric="") == config()


def test_azure_s_rate_has_no_windows_of_knative_s() -> None:
    assert config(metric="rate").concurrency() is None
    with pytest.raises(ValidationError, match="no window, maxScaleUpRate beside metric: rate"):
        config(metric="rate", window="60", maxScaleUpRate="5")


def test_the_number_includes_what_is_being_worked_on() -> None:
    assert HttpScaler.counts_in_progress

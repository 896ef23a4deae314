"""Parameters of the `http` trigger: Azure's own, and Knative's under their own names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from scaler.model import ConcurrencyPolicy
from scaler.ports.parameters import Float, PositiveInteger
from scaler.ports.scaler import TrafficConfig

# Knative's least target (pkg/autoscaler/config/autoscalerconfig TargetMin).
_LEAST_TARGET = 0.01
_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s?)?", re.ASCII)
# What means something to concurrency only, by field.
_WINDOWED = (
    "window",
    "panic_window_percentage",
    "panic_threshold_percentage",
    "max_scale_up_rate",
    "max_scale_down_rate",
    "scale_down_delay",
    "activation_scale",
    "metric_aggregation_algorithm",
)


def _seconds(given: Any) -> int:
    """Return whole seconds, of a number or of a duration as Knative has it."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    match = _DURATION.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is None or not any(match.groups()):
        raise ValueError("expected whole seconds, such as 60 or 60s")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _within(least: float, most: float, unit: str = "") -> Callable[[float], float]:
    def check(number: float) -> float:
        if not least <= number <= most:
            raise ValueError(f"expected {least:g} to {most:g}{unit}")
        return number

    return check


def _above_one(number: float) -> float:
    if number <= 1:
        raise ValueError("expected a number above 1")
    return number


Seconds = Annotated[int, BeforeValidator(_seconds, json_schema_input_type=int | str)]
Rate = Annotated[Float, AfterValidator(_above_one)]


class HttpConfig(TrafficConfig):
    """Parameters of the `http` trigger."""

    concurrent_requests: PositiveInteger = Field(
        10,
        validation_alias="concurrentRequests",
        description="requests in flight that one replica is to carry; with `metric: rate`, requests per second",
    )
    metric: Literal["concurrency", "rate"] = Field(
        "concurrency",
        description="what is counted: requests in flight, averaged over Knative's windows, or the requests of the past "
        "15 s divided by 15, as Azure has it",
    )
    target_utilization_percentage: Annotated[Float, AfterValidator(_within(1, 100, " percent"))] = Field(
        100.0,
        validation_alias="targetUtilizationPercentage",
        description="percent of `concurrentRequests` that a replica is held at, 1 to 100",
    )
    window: Annotated[Seconds, AfterValidator(_within(6, 3600, " seconds"))] = Field(
        60, description="seconds of the stable window, 6 to 3600: its average gives the count"
    )
    panic_window_percentage: Annotated[Float, AfterValidator(_within(1, 100, " percent"))] = Field(
        10.0,
        validation_alias="panicWindowPercentage",
        description="the panic window in percent of the stable one, 1 to 100; it is at least 1 s",
    )
    panic_threshold_percentage: Annotated[Float, AfterValidator(_within(110, 1000, " percent"))] = Field(
        200.0,
        validation_alias="panicThresholdPercentage",
        description="when the panic window wants this percentage of the ready replicas, the count only rises, 110 to "
        "1000",
    )
    max_scale_up_rate: Rate = Field(
        1000.0,
        validation_alias="maxScaleUpRate",
        description="at most this many times the ready replicas at once, above 1",
    )
    max_scale_down_rate: Rate = Field(
        2.0,
        validation_alias="maxScaleDownRate",
        description="at least the ready replicas divided by this at once, above 1",
    )
    scale_down_delay: Annotated[Seconds, AfterValidator(_within(0, 3600, " seconds"))] = Field(
        0,
        validation_alias="scaleDownDelay",
        description="seconds for which the highest count wanted holds, 0 to 3600",
    )
    activation_scale: PositiveInteger = Field(
        1, validation_alias="activationScale", description="the least count other than zero"
    )
    metric_aggregation_algorithm: Literal["linear", "weighted-exponential"] = Field(
        "linear",
        validation_alias="metricAggregationAlgorithm",
        description="how the seconds of a window count in its average: all alike, or recent ones more",
    )

    @model_validator(mode="after")
    def _check_metric(self) -> Self:
        given = [name for name in _WINDOWED if name in self.model_fields_set]
        if self.metric == "rate" and given:
            names = ", ".join(str(type(self).model_fields[name].validation_alias or name) for name in given)
            raise ValueError(f"no {names} beside metric: rate, which has Azure's fixed 15 s")
        return self

    def target(self) -> float:
        """Return the requests in flight, or per second, of one replica."""
        return max(_LEAST_TARGET, self.concurrent_requests * self.target_utilization_percentage / 100)

    def activation(self) -> float:
        """Return 0: any request makes the trigger active."""
        return 0.0

    def concurrency(self) -> ConcurrencyPolicy | None:
        """Return Knative's rules with these parameters; None with `metric: rate`."""
        if self.metric == "rate":
            return None
        return ConcurrencyPolicy(
            stable_window_s=float(self.window),
            # To the second and at least one, as Knative has it (pkg/reconciler/autoscaling/resources/metric.go).
            panic_window_s=float(max(1, math.floor(self.window * self.panic_window_percentage / 100 + 0.5))),
            panic_threshold=self.panic_threshold_percentage / 100,
            max_up_rate=self.max_scale_up_rate,
            max_down_rate=self.max_scale_down_rate,
            scale_down_delay_s=float(self.scale_down_delay),
            activation_scale=self.activation_scale,
            weighted=self.metric_aggregation_algorithm == "weighted-exponential",
        )

"""Values as people read them."""

from __future__ import annotations

import pytest

from scaler.model import MetricType


@pytest.mark.parametrize(
    ("metric_type", "value", "text"),
    [
        (MetricType.UTILIZATION, 53.0, "53 %"),
        (MetricType.AVERAGE_VALUE, 0.25, "0.25"),
        (MetricType.AVERAGE_VALUE, 1073741824.0, "1073741824"),
        (MetricType.VALUE, 40.0, "40"),
    ],
)
def test_percent_is_said_and_bytes_have_no_exponent(metric_type: MetricType, value: float, text: str) -> None:
    assert metric_type.shown(value) == text

"""Rounding and arithmetic of a single trigger."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.decision.proposals import milli, propose, target_milli
from scaler.model import Direction, MetricType, ReplicaCounts, ScalingPolicy, TriggerKind, TriggerPolicy


@given(st.floats(0, 1e9))
def test_values_are_rounded_as_three_printed_decimals(value: float) -> None:
    assert milli(value) == int(f"{value:.3f}".replace(".", ""))


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0004, 0), (0.0005, 1), (1.0005, 1000), (-3.0, 0), (float("nan"), 0), (1e300, 2**63 - 1)]
)
def test_values_at_the_edges(value: float, expected: int) -> None:
    assert milli(value) == expected


@pytest.mark.parametrize(
    ("target", "expected"), [(5.0, 5000), (0.3339, 333), (0.0009, 0), (-1.0, 0), (1e308, 2**63 - 1)]
)
def test_targets_are_cut_to_thousandths(target: float, expected: int) -> None:
    assert target_milli(target) == expected


@pytest.mark.parametrize(
    ("metric_type", "value", "target", "counts", "expected"),
    [
        pytest.param(MetricType.AVERAGE_VALUE, 51.0, 5.0, (0, 0, 0), 11, id="average-rounds-up"),
        pytest.param(MetricType.AVERAGE_VALUE, 51.0, 5.0, (10, 10, 10), 10, id="average-within-tolerance"),
        pytest.param(MetricType.AVERAGE_VALUE, 51.0, 5.0, (10, 4, 4), 11, id="average-compares-with-existing"),
        pytest.param(MetricType.VALUE, 20.0, 5.0, (3, 3, 2), 8, id="value-multiplies-ready"),
        pytest.param(MetricType.VALUE, 21.0, 5.0, (0, 0, 0), 5, id="value-at-zero-is-the-ratio"),
        pytest.param(MetricType.VALUE, 5.4, 5.0, (3, 3, 1), 3, id="value-within-tolerance"),
        pytest.param(MetricType.UTILIZATION, 90.0, 60.0, (4, 4, 4), 6, id="utilization-is-percent"),
        pytest.param(MetricType.AVERAGE_VALUE, 1e15, 0.001, (1, 1, 1), 2**31 - 1, id="no-more-than-an-int32"),
    ],
)
def test_wants(
    metric_type: MetricType, value: float, target: float, counts: tuple[int, int, int], expected: int
) -> None:
    kind = TriggerKind.RESOURCE if metric_type is MetricType.UTILIZATION else TriggerKind.EXTERNAL
    trigger = TriggerPolicy("a", "external", target, metric_type, kind=kind)
    policy = ScalingPolicy(triggers=(trigger,), scale_up=Direction(tolerance=0.1))
    assert propose(trigger, milli(value), target_milli(target), ReplicaCounts(*counts), policy)[0] == expected

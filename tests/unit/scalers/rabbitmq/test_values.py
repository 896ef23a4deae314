"""The arithmetic of modes at its edges; KEDA's recorded answers cover the rest."""

from __future__ import annotations

import pytest

from scaler.model import Reading
from scalers.rabbitmq.values import Mode, Operation, QueueState, combine, measure


def test_the_average_of_counts_is_rounded_down_and_that_of_rates_is_not() -> None:
    queues = [QueueState(1, 1, 1.0, 0.0), QueueState(2, 0, 2.0, 1.0)]
    assert combine(queues, Operation.AVG) == QueueState(1, 0, 1.5, 0.5)


@pytest.mark.parametrize("operation", Operation)
def test_no_queues_are_an_empty_one(operation: Operation) -> None:
    assert combine([], operation) == QueueState()


def test_each_maximum_is_its_own() -> None:
    queues = [QueueState(5, 1, 0.0, 9.0), QueueState(2, 2, 3.0, 1.0)]
    assert combine(queues, Operation.MAX) == QueueState(5, 2, 3.0, 9.0)


@pytest.mark.parametrize(
    ("mode", "queue", "value", "active"),
    [
        pytest.param(Mode.QUEUE_LENGTH, QueueState(messages=3), 3, False, id="length at the threshold"),
        pytest.param(Mode.QUEUE_LENGTH, QueueState(messages=4), 4, True, id="length above the threshold"),
        pytest.param(Mode.MESSAGE_RATE, QueueState(messages=4, published=1), 1, True, id="few come, many wait"),
        pytest.param(Mode.DELIVER_GET_RATE, QueueState(messages=4, delivered=1), 1, False, id="few go, many wait"),
        pytest.param(Mode.PUBLISHED_TO_DELIVERED_RATIO, QueueState(published=1), 3, True, id="nobody takes what comes"),
        pytest.param(Mode.PUBLISHED_TO_DELIVERED_RATIO, QueueState(delivered=1), 0, False, id="none come"),
        pytest.param(
            Mode.EXPECTED_QUEUE_CONSUMPTION_TIME, QueueState(messages=1), 3, True, id="nobody takes what waits"
        ),
        pytest.param(
            Mode.EXPECTED_QUEUE_CONSUMPTION_TIME, QueueState(published=9, delivered=1), 0, False, id="none wait"
        ),
    ],
)
def test_value_and_activity(mode: Mode, queue: QueueState, value: float, active: bool) -> None:  # noqa: FBT001 - a table
    assert measure(queue, mode, activation=3) == Reading(value=value, active=active)

"""What queues amount to: the arithmetic of modes and operations, with no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from scaler.model import Reading


class Mode(StrEnum):
    """What is measured."""

    QUEUE_LENGTH = "QueueLength"
    MESSAGE_RATE = "MessageRate"
    DELIVER_GET_RATE = "DeliverGetRate"
    PUBLISHED_TO_DELIVERED_RATIO = "PublishedToDeliveredRatio"
    EXPECTED_QUEUE_CONSUMPTION_TIME = "ExpectedQueueConsumptionTime"


class Operation(StrEnum):
    """How several queues become one."""

    SUM = "sum"
    AVG = "avg"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue at one moment, or what several amount to.

    Attributes:
        messages: Ready and unacknowledged.
        ready: Waiting for a consumer.
        published: Messages that come, per second.
        delivered: Messages that go to consumers, per second.
    """

    messages: int = 0
    ready: int = 0
    published: float = 0.0
    delivered: float = 0.0


def combine(queues: Sequence[QueueState], operation: Operation) -> QueueState:
    """Make one of several; none are an empty one. The average of counts is rounded down."""
    if not queues:
        return QueueState()
    count = len(queues)
    totals: Mapping[Operation, Callable[[Iterable[float]], float]] = {
        Operation.SUM: sum,
        Operation.AVG: lambda values: sum(values) / count,
        Operation.MAX: max,
    }
    total = totals[operation]
    states = {field.name: total([getattr(queue, field.name) for queue in queues]) for field in fields(QueueState)}
    return QueueState(int(states["messages"]), int(states["ready"]), states["published"], states["delivered"])


def measure(queue: QueueState, mode: Mode, activation: float, *, exclude_unacknowledged: bool = False) -> Reading:
    """Return the value and whether the trigger is active.

    Args:
        queue: What is measured.
        mode: What of it.
        activation: Active above this.
        exclude_unacknowledged: Count messages that are ready only.
    """
    messages = queue.ready if exclude_unacknowledged else queue.messages
    published, delivered = queue.published, queue.delivered
    value, active_anyway = 0.0, False
    match mode:
        case Mode.QUEUE_LENGTH:
            value = float(messages)
        case Mode.MESSAGE_RATE:
            value, active_anyway = published, messages > activation
        case Mode.DELIVER_GET_RATE:
            value = delivered
        case Mode.PUBLISHED_TO_DELIVERED_RATIO:
            # Messages that come and nobody takes: no ratio can say so.
            active_anyway = published > 0 and delivered == 0
            if active_anyway:
                value = activation
            elif published > 0:
                value = published / delivered
        case Mode.EXPECTED_QUEUE_CONSUMPTION_TIME:
            # The same for messages that nobody takes.
            active_anyway = messages > 0 and delivered == 0
            if active_anyway:
                value = activation
            elif messages > 0:
                value = (published - delivered) / delivered + messages / delivered
    return Reading(value=value, active=value > activation or active_anyway)

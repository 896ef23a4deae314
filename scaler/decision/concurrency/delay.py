"""The scale-down delay: the highest count wanted within it holds (Knative `scale-down-delay`)."""

from __future__ import annotations

import math

from scaler.decision.stabilization import with_highest
from scaler.model import Recommendation

# Knative's tick: counts are remembered by the even second that they fall into.
GRANULARITY_S = 2.0


def with_count(
    window: tuple[Recommendation, ...],
    at: float,
    replicas: int,
    delay_s: float,
    *,
    granularity_s: float = GRANULARITY_S,
) -> tuple[Recommendation, ...]:
    """Return the window with one more count; its first entry is the highest within the delay."""
    start = math.floor(at / granularity_s) * granularity_s
    return with_highest(window, start, replicas, length_s(delay_s, granularity_s))


def length_s(delay_s: float, granularity_s: float = GRANULARITY_S) -> float:
    """Return for how many seconds a count is remembered, from the beginning of its slot on."""
    return math.ceil(delay_s / granularity_s) * granularity_s

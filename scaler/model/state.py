"""What the decision remembers from one tick to the next; survives a restart in the state store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A count that the triggers wanted, before stabilization and limits, and when."""

    at: float
    replicas: int


@dataclass(frozen=True, slots=True)
class ScaleEvent:
    """A change that was decided: positive when replicas were added, negative when removed."""

    at: float
    change: int


@dataclass(frozen=True, slots=True)
class DecisionState:
    """Memory of one workload. All times are in the seconds that `decide` is given as `now`.

    Attributes:
        created_at: When the workload was first seen; the initial cooldown counts from here.
        last_active_at: When a trigger was last active; None when never.
        highest: Recommendations that can still be the highest of the scale-down window, oldest first, falling.
        lowest: Recommendations that can still be the lowest of the scale-up window, oldest first, rising.
        events: Changes within the longest rate-limit period, oldest first.
        failures: Failed readings in a row by trigger name; a trigger that last succeeded is absent.
        initial_recommendation_recorded: The present count was recorded as a first recommendation.
    """

    created_at: float
    last_active_at: float | None = None
    highest: tuple[Recommendation, ...] = ()
    lowest: tuple[Recommendation, ...] = ()
    events: tuple[ScaleEvent, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    initial_recommendation_recorded: bool = False

"""A desired replica count and every reason for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scaler.model.policy import MetricType


class Reason(StrEnum):
    """Why the count is what it is, in one word; the label of the decisions counter."""

    TRIGGERS = "triggers"  # what the triggers want, limits applied
    ACTIVATED = "activated"  # from zero (or idle) because a trigger is active
    COOLDOWN = "cooldown"  # inactive, but the cooldown has not passed
    DEACTIVATED = "deactivated"  # to zero (or idle): inactive for the whole cooldown
    INACTIVE = "inactive"  # inactive, and already as low as it goes
    UNKNOWN = "unknown"  # a trigger is unknown: never below the present count
    PAUSED = "paused"  # an annotation holds the count
    NO_TRIGGERS = "no_triggers"  # nothing scales it: its minimum holds


class Rule(StrEnum):
    """A rule that changed the number on its way."""

    MIN_REPLICAS = "minReplicaCount"
    MAX_REPLICAS = "maxReplicaCount"
    IDLE_REPLICAS = "idleReplicaCount"
    ACTIVATION = "activation"  # an active workload has at least one replica, an inactive one none
    COOLDOWN = "cooldownPeriod"
    INITIAL_COOLDOWN = "initialCooldownPeriod"
    STABILIZATION_UP = "scaleUp.stabilizationWindowSeconds"
    STABILIZATION_DOWN = "scaleDown.stabilizationWindowSeconds"
    POLICIES_UP = "scaleUp.policies"
    POLICIES_DOWN = "scaleDown.policies"
    PAUSED = "paused"
    PAUSED_REPLICAS = "paused-replicas"
    PAUSED_SCALE_IN = "paused-scale-in"
    PAUSED_SCALE_OUT = "paused-scale-out"
    TRIGGER_UNKNOWN = "trigger-unknown"


@dataclass(frozen=True, slots=True)
class Limit:
    """One rule that changed the count, from what to what."""

    rule: Rule
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class ConcurrencyWindows:
    """What the windows of a number of requests in flight say: Knative's two averages.

    Attributes:
        stable: The time-weighted average over the stable window, in requests.
        panic: That over the panic window.
        panicking: The short average has wanted a multiple of the ready replicas within the last stable window, so that
            the count only rises.
    """

    stable: float
    panic: float
    panicking: bool


@dataclass(frozen=True, slots=True)
class TriggerOutcome:
    """What one trigger said and what it wants.

    Attributes:
        value: The value used, after KEDA's rounding to thousandths; None when unknown. For requests in flight it is
            the average over the stable window, or the number held now while no replica is ready.
        active: Whether it counts as active.
        wants: Its proposal before any limit; None when it has none.
        error: Why it is unknown; kept beside the value while a fallback stands in for it.
        fallback: The value is the fallback's.
        within_tolerance: The deviation from the target was small enough to ignore.
        windows: For requests in flight, what the averages are; None for all else, and while it is unknown.
    """

    name: str
    type: str
    target: float
    metric_type: MetricType
    value: float | None
    active: bool
    wants: int | None
    error: str | None = None
    fallback: bool = False
    within_tolerance: bool = False
    windows: ConcurrencyWindows | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The desired count at one moment, and why.

    Attributes:
        at: When it was taken, in the seconds that `decide` was given.
        current: The count it started from (`ReplicaCounts.spec`).
        desired: The count to have.
        active: Whether the workload as a whole is active.
        reason: The main reason.
        triggers: One outcome per trigger, in the policy's order.
        limits: The rules that changed the number, in the order they were applied: the first begins with what the
            triggers want (with `current` where they were not asked), each goes on from the one before, and the last
            ends at `desired`.
        next_change_at: The earliest moment at which the count can change although all readings stay as they are and
            the replicas have settled at `desired` (end of a cooldown, window or period), in the seconds of `at`. A
            reading that says when it changes (a schedule's `changes_at`) stays until then. It is `at` itself when
            the next decision can already differ, and None when no clock is running.
    """

    at: float
    current: int
    desired: int
    active: bool
    reason: Reason
    triggers: tuple[TriggerOutcome, ...] = ()
    limits: tuple[Limit, ...] = ()
    next_change_at: float | None = None

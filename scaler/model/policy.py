"""How a workload is to be scaled: the part of a manifest that the decision needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class MetricType(StrEnum):
    """How a value becomes a replica count (KEDA `metricType`, HPA target type)."""

    AVERAGE_VALUE = "AverageValue"
    VALUE = "Value"
    UTILIZATION = "Utilization"

    def shown(self, value: float) -> str:
        """Return a value or a target as people read it: percent as such, bytes without an exponent."""
        text = f"{value:.0f}" if value >= 1e6 else f"{value:g}"  # noqa: PLR2004 - where `g` begins to cut digits off
        return f"{text} %" if self is MetricType.UTILIZATION else text


class TriggerKind(StrEnum):
    """Where a value comes from: an event source, or the replicas' own resource use (cpu, memory)."""

    EXTERNAL = "external"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class ConcurrencyPolicy:
    """Knative's rules for a number of requests in flight (`autoscaling.knative.dev/...`); durations in seconds.

    Attributes:
        stable_window_s: The average over this long gives the count.
        panic_window_s: The average over this short time may raise it.
        panic_threshold: When the short average wants this many times the ready replicas, the count only rises, until
            a stable window after it last did.
        max_up_rate: At most so many times the ready replicas.
        max_down_rate: At least the ready replicas divided by this.
        scale_down_delay_s: The highest count wanted within this time holds.
        activation_scale: The least count other than zero.
        weighted: Recent seconds weigh more than older ones (`metric-aggregation-algorithm: weighted-exponential`)
            instead of all the same (`linear`).
    """

    stable_window_s: float = 60.0
    panic_window_s: float = 6.0
    panic_threshold: float = 2.0
    max_up_rate: float = 1000.0
    max_down_rate: float = 2.0
    scale_down_delay_s: float = 0.0
    activation_scale: int = 1
    weighted: bool = False


@dataclass(frozen=True, slots=True)
class TriggerPolicy:
    """One trigger as the decision sees it.

    Attributes:
        name: Unique within the workload; names the trigger's reading.
        type: The scaler's type, such as `redis`.
        target: The value that one replica is to carry (AverageValue), or that the whole is held at (Value),
            in the reading's unit; percent for Utilization.
        metric_type: How value and target give a count.
        activation: The trigger is active while its value is strictly above this (KEDA `activation...`).
        kind: Resource triggers never bring a workload to zero on their own.
        exact: No tolerance applies: a schedule means its count.
        busy_start: A replica that is starting uses more than it will when it serves, as of cpu: the HPA leaves it out.
        concurrency: Readings are requests in flight, and these rules give the count; None for all other triggers.
    """

    name: str
    type: str
    target: float
    metric_type: MetricType = MetricType.AVERAGE_VALUE
    activation: float = 0.0
    kind: TriggerKind = TriggerKind.EXTERNAL
    exact: bool = False
    busy_start: bool = False
    concurrency: ConcurrencyPolicy | None = None


class PolicyType(StrEnum):
    """Unit of a rate limit (HPA `policies[].type`)."""

    PODS = "Pods"
    PERCENT = "Percent"


class SelectPolicy(StrEnum):
    """Which of several rate limits counts (HPA `selectPolicy`)."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `value` replicas or percent of change within any `period_s` seconds (HPA `policies[]`)."""

    type: PolicyType
    value: int
    period_s: int


@dataclass(frozen=True, slots=True)
class Direction:
    """The rules of one direction of scaling, with the HPA's defaults already filled in (`behavior.scaleUp|scaleDown`).

    Attributes:
        stabilization_window_s: Look back this far before moving in this direction.
        limits: Rate limits; none means no limit.
        select_policy: Which limit wins; Disabled forbids the direction.
        tolerance: Relative deviation from the target that is ignored in this direction.
        explicit: The manifest spells this direction out. An explicit scale-down also holds for the step to zero.
    """

    stabilization_window_s: float = 0.0
    limits: tuple[RateLimit, ...] = ()
    select_policy: SelectPolicy = SelectPolicy.MAX
    tolerance: float = 0.1
    explicit: bool = False


class FallbackBehavior(StrEnum):
    """What a failing trigger asks for (KEDA `fallback.behavior`; its fifth, scalingModifiers, needs a formula)."""

    STATIC = "static"
    CURRENT = "currentReplicas"
    CURRENT_IF_HIGHER = "currentReplicasIfHigher"
    CURRENT_IF_LOWER = "currentReplicasIfLower"


@dataclass(frozen=True, slots=True)
class Fallback:
    """What counts once a trigger failed more than `failure_threshold` times in a row (KEDA `fallback`)."""

    failure_threshold: int
    replicas: int
    behavior: FallbackBehavior = FallbackBehavior.STATIC


@dataclass(frozen=True, slots=True)
class Pause:
    """KEDA's pause and activation annotations (`autoscaling.keda.sh/...`).

    Attributes:
        paused: `paused`: leave the count as it is.
        replicas: `paused-replicas`: hold this count; wins over `paused`.
        scale_in: `paused-scale-in`: never fewer.
        scale_out: `paused-scale-out`: never more.
        force_activation: `force-activation`: act as if a trigger were active.
    """

    paused: bool = False
    replicas: int | None = None
    scale_in: bool = False
    scale_out: bool = False
    force_activation: bool = False


# The HPA controller's flag --horizontal-pod-autoscaler-downscale-stabilization.
DEFAULT_SCALE_DOWN_WINDOW_S = 300.0


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """Everything about a workload's scaling that the manifest fixes.

    Durations are seconds. `scale_up` and `scale_down` default to what holds when the manifest has no `behavior`:
    up without limits, down after the HPA's stabilization window.
    """

    triggers: tuple[TriggerPolicy, ...] = ()
    min_replicas: int = 0
    max_replicas: int = 100
    idle_replicas: int | None = None
    cooldown_s: float = 300.0
    initial_cooldown_s: float = 0.0
    scale_up: Direction = field(default_factory=Direction)
    scale_down: Direction = field(default_factory=lambda: Direction(stabilization_window_s=DEFAULT_SCALE_DOWN_WINDOW_S))
    fallback: Fallback | None = None
    pause: Pause = field(default_factory=Pause)

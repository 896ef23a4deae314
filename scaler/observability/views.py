"""What the API says of a workload."""

from __future__ import annotations

from pydantic import BaseModel

from scaler.model import MetricType, Reason, ReplicaState, TriggerKind


class ReplicaView(BaseModel):
    """One replica; `endpoint` is where it takes requests, as `HOST:PORT`."""

    id: str
    name: str
    revision: str
    state: ReplicaState
    started_at: float | None
    restarts: int
    detail: str
    endpoint: str | None = None


class WindowsView(BaseModel):
    """The averages of requests in flight, and whether the short one made the count jump."""

    stable: float
    panic: float
    panicking: bool


class TriggerView(BaseModel):
    """One trigger: what it last said and wants.

    A schedule also says when its value changes: seconds since the epoch on the wall clock, to be read in a zone.
    """

    name: str
    type: str
    kind: TriggerKind
    metric_type: MetricType
    target: float
    activation: float
    value: float | None = None
    active: bool = False
    wants: int | None = None
    error: str | None = None
    fallback: bool = False
    within_tolerance: bool = False
    changes_at: float | None = None
    changes_zone: str = "UTC"
    windows: WindowsView | None = None


class LimitView(BaseModel):
    """A rule that changed the number."""

    rule: str
    before: int
    after: int


class DecisionView(BaseModel):
    """The last decision; times are seconds since the epoch, and `because` is the reason in words."""

    at: float
    current: int
    desired: int
    active: bool
    reason: Reason
    because: str = ""
    limits: list[LimitView]
    next_change_at: float | None


class IngressView(BaseModel):
    """The requests to an app; `rejected` is why a proxy refused its latest configuration, and goes on with an older."""

    urls: list[str]
    held: int
    in_flight: int
    rejected: str | None


class WorkloadView(BaseModel):
    """One workload."""

    name: str
    target: str
    revision: str | None
    min_replicas: int
    max_replicas: int
    polling_interval_s: float
    desired_replicas: int | None
    current_replicas: int
    ready_replicas: int
    last_change_at: float | None
    actuation_error: str | None
    triggers: list[TriggerView]
    replicas: list[ReplicaView]
    decision: DecisionView | None
    ingress: IngressView | None = None


class OutcomeView(BaseModel):
    """What a trigger said and wanted when a decision was taken."""

    name: str
    type: str
    metric_type: MetricType
    target: float
    value: float | None
    active: bool
    wants: int | None
    error: str | None
    fallback: bool


class DecisionEntry(BaseModel):
    """A decision that changed the count, or had another reason than the one before."""

    at: float
    current: int
    desired: int
    active: bool
    reason: Reason
    because: str
    triggers: list[OutcomeView]
    limits: list[LimitView]


class DecisionList(BaseModel):
    """The last decisions that changed something, the newest first."""

    decisions: list[DecisionEntry]


class TriggerSeries(BaseModel):
    """One trigger's values."""

    name: str
    values: list[float | None]


class HistoryView(BaseModel):
    """The last hour in steps: the highest value of each, null where it is unknown.

    The first value is that of the `step_s` seconds from `first_at` on, in seconds since the epoch.
    """

    step_s: int
    first_at: float
    wanted: list[float | None]
    ready: list[float | None]
    triggers: list[TriggerSeries]

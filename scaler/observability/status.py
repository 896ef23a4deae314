"""The latest of everything, for the API: what each workload is, has and was decided to have."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from scaler.model import (
    App,
    Decision,
    MetricType,
    Reading,
    Reason,
    Replica,
    ReplicaState,
    TriggerKind,
    Workload,
    ready_count,
    staying,
)
from scaler.ports.recorder import Recorder


class ReplicaView(BaseModel):
    """One replica."""

    id: str
    name: str
    revision: str
    state: ReplicaState
    started_at: float | None
    restarts: int
    detail: str


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
    """The last decision; times are seconds since the epoch."""

    at: float
    current: int
    desired: int
    active: bool
    reason: Reason
    limits: list[LimitView]
    next_change_at: float | None


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


class StatusBoard(Recorder):
    """A recorder that keeps the latest facts of each workload."""

    def __init__(self) -> None:
        self._workloads: dict[str, Workload] = {}
        self._decisions: dict[str, Decision] = {}
        self._replicas: dict[str, tuple[Replica, ...]] = {}
        self._changed_at: dict[str, float] = {}
        self._errors: dict[str, str] = {}
        self._readings: dict[str, dict[str, Reading]] = {}

    def undecided(self) -> list[str]:
        """Return the workloads that have not been decided yet."""
        return sorted(self._workloads.keys() - self._decisions.keys())

    def names(self) -> list[str]:
        """Return the workloads' names in order."""
        return sorted(self._workloads)

    def view(self, name: str) -> WorkloadView | None:
        """Return what is known of a workload; None when there is none of that name."""
        workload = self._workloads.get(name)
        if workload is None:
            return None
        decision = self._decisions.get(name)
        replicas = self._replicas.get(name, ())
        target = workload.target
        return WorkloadView(
            name=name,
            target=workload.target_name,
            revision=target.revision if isinstance(target, App) else None,
            min_replicas=workload.policy.min_replicas,
            max_replicas=workload.policy.max_replicas,
            polling_interval_s=workload.polling_interval_s,
            desired_replicas=decision.desired if decision else None,
            current_replicas=len(staying(replicas)),
            ready_replicas=ready_count(replicas),
            last_change_at=self._changed_at.get(name),
            actuation_error=self._errors.get(name),
            triggers=_trigger_views(workload, decision, self._readings.get(name, {})),
            replicas=[ReplicaView.model_validate(replica, from_attributes=True) for replica in replicas],
            decision=_decision_view(decision) if decision else None,
        )

    def workload_added(self, workload: Workload) -> None:
        """Begin to show it."""
        self._workloads[workload.name] = workload

    def workload_removed(self, workload: Workload) -> None:
        """Show it no more."""
        for kept in (
            self._workloads,
            self._decisions,
            self._replicas,
            self._changed_at,
            self._errors,
            self._readings,
        ):
            kept.pop(workload.name, None)

    def read(self, workload: Workload, trigger: str, reading: Reading, *, duration_s: float) -> None:  # noqa: ARG002
        """Keep when a schedule changes."""
        self._readings.setdefault(workload.name, {})[trigger] = reading

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:  # noqa: ARG002
        """Show the decision."""
        self._decisions[workload.name] = decision
        if decision.desired != decision.current:
            self._changed_at[workload.name] = decision.at

    def actuation_failed(self, workload: Workload, *, error: str) -> None:
        """Show why replicas are missing."""
        self._errors[workload.name] = error

    def actuation_recovered(self, workload: Workload) -> None:
        """Show the error no more."""
        self._errors.pop(workload.name, None)

    def observed(self, workload: Workload, replicas: tuple[Replica, ...]) -> None:
        """Show the replicas."""
        self._replicas[workload.name] = replicas


def _trigger_views(workload: Workload, decision: Decision | None, readings: Mapping[str, Reading]) -> list[TriggerView]:
    outcomes = {outcome.name: outcome for outcome in decision.triggers} if decision else {}
    views = []
    for trigger in workload.triggers:
        policy = trigger.policy
        view = TriggerView(
            name=policy.name,
            type=policy.type,
            kind=policy.kind,
            metric_type=policy.metric_type,
            target=policy.target,
            activation=policy.activation,
        )
        outcome = outcomes.get(policy.name)
        if outcome is not None:
            view.value, view.active, view.wants = outcome.value, outcome.active, outcome.wants
            view.error, view.fallback, view.within_tolerance = (
                outcome.error,
                outcome.fallback,
                outcome.within_tolerance,
            )
            if outcome.windows is not None:
                view.windows = WindowsView.model_validate(outcome.windows, from_attributes=True)
        if (reading := readings.get(policy.name)) is not None:
            view.changes_at, view.changes_zone = reading.changes_at, reading.changes_zone
        views.append(view)
    return views


def _decision_view(decision: Decision) -> DecisionView:
    return DecisionView(
        at=decision.at,
        current=decision.current,
        desired=decision.desired,
        active=decision.active,
        reason=decision.reason,
        limits=[LimitView.model_validate(limit, from_attributes=True) for limit in decision.limits],
        next_change_at=decision.next_change_at,
    )

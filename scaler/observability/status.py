"""The latest of everything, for the API: what each workload is, has and was decided to have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scaler.model import App, Decision, Reading, Replica, Workload, ready_count, staying
from scaler.observability.explanation import reason_in_words
from scaler.observability.views import (
    DecisionView,
    IngressView,
    LimitView,
    ReplicaView,
    TriggerView,
    WindowsView,
    WorkloadView,
)
from scaler.ports.recorder import Recorder

_NO_PROXY = "a proxy that serves"


@dataclass(slots=True)
class _Requests:
    held: int = 0
    in_flight: int = 0
    rejected: str | None = None


class StatusBoard(Recorder):
    """A recorder that keeps the latest facts of each workload.

    Args:
        urls: Tells where a workload with ingress is reached.
    """

    def __init__(self, urls: Callable[[Workload], Sequence[str]] = lambda _: ()) -> None:
        self._urls = urls
        self._requests: dict[str, _Requests] = {}
        self._proxy_up: bool | None = None
        self._rejected: set[str] = set()
        self._workloads: dict[str, Workload] = {}
        self._decisions: dict[str, Decision] = {}
        self._replicas: dict[str, tuple[Replica, ...]] = {}
        self._changed_at: dict[str, float] = {}
        self._errors: dict[str, str] = {}
        self._readings: dict[str, dict[str, Reading]] = {}

    def waiting_for(self) -> list[str]:
        """Return what is missing before all is served: workloads that are not decided, and a proxy where one is due."""
        return sorted(self._workloads.keys() - self._decisions.keys()) + ([_NO_PROXY] if self.lacks_proxy() else [])

    def lacks_proxy(self) -> bool:
        """Return whether no proxy serves although one is due."""
        return self._proxy_up is False and any(map(_has_ingress, self._workloads.values()))

    def rejected(self) -> list[str]:
        """Return what is configured otherwise than it runs, since the last edit was rejected: `manifests`, services."""
        return sorted(self._rejected)

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
            replicas=[_replica_view(replica) for replica in replicas],
            decision=_decision_view(decision) if decision else None,
            ingress=self._ingress_view(workload),
        )

    def _ingress_view(self, workload: Workload) -> IngressView | None:
        if not _has_ingress(workload):
            return None
        requests = self._requests.get(workload.name) or _Requests()
        return IngressView(
            urls=list(self._urls(workload)),
            held=requests.held,
            in_flight=requests.in_flight,
            rejected=requests.rejected,
        )

    def workload_added(self, workload: Workload) -> None:
        """Begin to show it."""
        self._workloads[workload.name] = workload
        self._requests[workload.name] = _Requests()

    def workload_removed(self, workload: Workload) -> None:
        """Show it no more."""
        for kept in (
            self._workloads,
            self._decisions,
            self._replicas,
            self._changed_at,
            self._errors,
            self._readings,
            self._requests,
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

    def traffic(self, workload: Workload, *, held: int, in_flight: int) -> None:
        """Show the requests."""
        if requests := self._requests.get(workload.name):
            requests.held, requests.in_flight = held, in_flight

    def configuration_reloaded(self, *, accepted: bool, part: str = "manifests") -> None:
        """Show what stands rejected."""
        (self._rejected.discard if accepted else self._rejected.add)(part)

    def configuration_dropped(self, *, part: str) -> None:
        """What is gone stands rejected no longer."""
        self._rejected.discard(part)

    def proxy_up(self, *, up: bool) -> None:
        """Wait for a proxy, or no longer."""
        self._proxy_up = up

    def proxy_rejected(self, workloads: tuple[Workload, ...], *, error: str) -> None:
        """Show why a proxy does not do as it was told, until it is told something new of the workload."""
        for workload in workloads:
            if requests := self._requests.get(workload.name):
                requests.rejected = error


def _has_ingress(workload: Workload) -> bool:
    return isinstance(workload.target, App) and workload.target.ingress is not None


def _replica_view(replica: Replica) -> ReplicaView:
    return ReplicaView(
        id=replica.id,
        name=replica.name,
        revision=replica.revision,
        state=replica.state,
        started_at=replica.started_at,
        restarts=replica.restarts,
        detail=replica.detail,
        endpoint=str(replica.endpoint) if replica.endpoint else None,
    )


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
        because=reason_in_words(decision.reason),
        limits=[LimitView.model_validate(limit, from_attributes=True) for limit in decision.limits],
        next_change_at=decision.next_change_at,
    )

"""What became of each workload in the last hour: counts, readings, and the decisions that changed something."""

from __future__ import annotations

from collections import deque

from scaler.model import Decision, Replica, Workload, ready_count
from scaler.observability.explanation import reason_in_words
from scaler.observability.series import STEP_S, STEPS, UNKNOWN, Series, step_of
from scaler.observability.views import (
    DecisionEntry,
    DecisionList,
    HistoryView,
    LimitView,
    OutcomeView,
    TriggerSeries,
)
from scaler.ports.clock import Clock
from scaler.ports.recorder import Recorder

# As many decisions are kept of a workload.
DECISIONS = 20


class _Past:
    """One workload's."""

    __slots__ = ("decisions", "ready", "triggers", "wanted")

    def __init__(self, at: float) -> None:
        self.wanted = Series(at)
        self.ready = Series(at)
        self.triggers: dict[str, Series] = {}
        self.decisions: deque[Decision] = deque(maxlen=DECISIONS)


class History(Recorder):
    """A recorder that keeps an hour of each workload in memory: 1 KiB for each number, 1/2 KiB for each decision.

    A workload with one trigger takes at most some 15 KiB. An edit of its manifest keeps what is there; a restart of the
    service begins anew.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._past: dict[str, _Past] = {}
        self._left: tuple[str, _Past] | None = None

    def workload_added(self, workload: Workload) -> None:
        """Begin with it, or go on: one that is edited is removed and added again at once."""
        left, self._left = self._left, None
        now = self._clock.now()
        past = left[1] if left is not None and left[0] == workload.name else _Past(now)
        past.triggers = {each.name: past.triggers.get(each.name) or Series(now) for each in workload.triggers}
        self._past[workload.name] = past

    def workload_removed(self, workload: Workload) -> None:
        """Forget it, unless it is added again next."""
        past = self._past.pop(workload.name, None)
        self._left = (workload.name, past) if past is not None else None

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:  # noqa: ARG002
        """Keep the numbers, and the decision if it changes something or says something new."""
        past = self._past.get(workload.name)
        if past is None:
            return
        now = self._clock.now()
        past.wanted.put(now, decision.desired)
        for outcome in decision.triggers:
            if (series := past.triggers.get(outcome.name)) is not None:
                series.put(now, UNKNOWN if outcome.value is None else outcome.value)
        if not past.decisions or _is_news(decision, past.decisions[-1]):
            past.decisions.append(decision)

    def observed(self, workload: Workload, replicas: tuple[Replica, ...]) -> None:
        """Keep how many serve."""
        if (past := self._past.get(workload.name)) is not None:
            past.ready.put(self._clock.now(), ready_count(replicas))

    def view(self, name: str) -> HistoryView | None:
        """Return the last hour of a workload; None when there is none of that name."""
        past = self._past.get(name)
        if past is None:
            return None
        last = step_of(self._clock.now())
        first = last - STEPS + 1
        return HistoryView(
            step_s=STEP_S,
            first_at=first * STEP_S,
            wanted=past.wanted.between(first, last),
            ready=past.ready.between(first, last),
            triggers=[
                TriggerSeries(name=trigger, values=series.between(first, last))
                for trigger, series in past.triggers.items()
            ],
        )

    def decisions(self, name: str) -> DecisionList | None:
        """Return the kept decisions of a workload, the newest first; None when there is none of that name."""
        past = self._past.get(name)
        return None if past is None else DecisionList(decisions=[_entry(each) for each in reversed(past.decisions)])


def _is_news(decision: Decision, before: Decision) -> bool:
    """Return whether the count, the reason or which triggers are unknown differs from the decision before."""
    return (
        decision.desired != decision.current
        or decision.reason != before.reason
        or decision.desired != before.desired
        or any(
            (now.error is None) is not (then.error is None)
            for now, then in zip(decision.triggers, before.triggers, strict=False)
        )
    )


def _entry(decision: Decision) -> DecisionEntry:
    return DecisionEntry(
        at=decision.at,
        current=decision.current,
        desired=decision.desired,
        active=decision.active,
        reason=decision.reason,
        because=reason_in_words(decision.reason),
        triggers=[OutcomeView.model_validate(each, from_attributes=True) for each in decision.triggers],
        limits=[LimitView.model_validate(each, from_attributes=True) for each in decision.limits],
    )

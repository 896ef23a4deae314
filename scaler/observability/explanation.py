"""Answers "why this many replicas?" in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from scaler.model import Reason, TriggerKind
from scaler.observability.views import DecisionView, TriggerView, WorkloadView
from scaler.printable import printable

_REASONS = {
    Reason.TRIGGERS: "the triggers want it",
    Reason.ACTIVATED: "a trigger became active",
    Reason.COOLDOWN: "no trigger is active, and the cooldown has not passed",
    Reason.DEACTIVATED: "no trigger was active for the whole cooldown",
    Reason.INACTIVE: "no trigger is active",
    Reason.UNKNOWN: "a trigger is unknown, so the count does not go down",
    Reason.PAUSED: "an annotation holds it",
    Reason.NO_TRIGGERS: "it has no triggers, so its minimum holds",
}


def reason_in_words(reason: Reason) -> str:
    """Return a decision's reason as the end of a sentence that begins with "because"."""
    return _REASONS.get(reason, str(reason))


def explain(workload: WorkloadView, *, now: float) -> list[str]:
    """Return the lines of the explanation; `now` is in seconds since the epoch."""
    decision = workload.decision
    if decision is None:
        why = f": {workload.actuation_error}" if workload.actuation_error else ""
        return [printable(f"{workload.name}: not decided yet{why}")]
    lines = [
        (
            f"{workload.name}: {decision.desired} replicas wanted, {workload.current_replicas} there,"
            f" {workload.ready_replicas} ready (from {workload.min_replicas} to {workload.max_replicas})"
        ),
        f"  because {reason_in_words(decision.reason)}",
        *(f"  trigger {_describe_trigger(trigger)}" for trigger in workload.triggers),
        *(f"  limit {limit.rule}: from {limit.before} to {limit.after}" for limit in decision.limits),
        f"  next change: {_describe_next_change(workload, decision, now)}",
        *_describe_ingress(workload),
    ]
    if workload.actuation_error is not None:
        lines.append(f"  replicas could not be changed: {workload.actuation_error}")
    lines += [f"  replica {replica.name}: {replica.detail}" for replica in workload.replicas if replica.detail]
    # What sources, engines and proxies said is in them.
    return [printable(line) for line in lines]


def troubles_of_service(rejected: Sequence[str], *, lacks_proxy: bool) -> list[str]:
    """Return what is wrong with the service as a whole, in a sentence each; see `WorkloadList`."""
    found = []
    for part in rejected:
        what, how = ("manifests", "") if part == "manifests" else (f"labels of {part}", " --compose")
        found.append(
            f"The last edit of the {what} was rejected: what runs is the configuration from before."
            f" The log and scaler validate{how} say why."
        )
    if lacks_proxy:
        found.append("No proxy serves: apps with ingress are not reached.")
    return [printable(sentence) for sentence in found]


def _describe_trigger(trigger: TriggerView) -> str:
    subject = f"{trigger.name} ({trigger.type})"
    shown = trigger.metric_type.shown
    target = f"target {shown(trigger.target)} ({trigger.metric_type})"
    if trigger.value is None:
        return f"{subject}: unknown: {trigger.error or 'not read yet'}, {target}"
    idle = (
        "not active"
        if trigger.kind is TriggerKind.RESOURCE
        else f"not active (activation above {trigger.activation:g})"
    )
    notes = ["active" if trigger.active else idle]
    if trigger.within_tolerance:
        notes.append("within tolerance")
    if trigger.fallback:
        notes.append(f"fallback, because {trigger.error}")
    wants = "no count" if trigger.wants is None else trigger.wants
    value = shown(trigger.value) + describe_until(trigger)
    return f"{subject}: value {value}, {target}, {', '.join(notes)}, wants {wants}{_describe_windows(trigger)}"


def _describe_windows(trigger: TriggerView) -> str:
    """Return what the averages of requests in flight are; nothing for other triggers."""
    if trigger.windows is None:
        return ""
    shown, windows = trigger.metric_type.shown, trigger.windows
    panic = ", panicking: the count only rises" if windows.panicking else ""
    return f" (in flight on average: stable window {shown(windows.stable)}, panic window {shown(windows.panic)}{panic})"


def describe_until(trigger: TriggerView) -> str:
    """Return until when a schedule's value holds, such as ` until 2026-03-01 08:00 (Europe/Berlin)`; else nothing."""
    if trigger.changes_at is None:
        return ""
    at = datetime.fromtimestamp(trigger.changes_at, ZoneInfo(trigger.changes_zone))
    return f" until {at:{'%Y-%m-%d %H:%M:%S' if at.second else '%Y-%m-%d %H:%M'}} ({trigger.changes_zone})"


def _describe_ingress(workload: WorkloadView) -> list[str]:
    """Return how many requests there are and where the app is reached; nothing for a workload without ingress."""
    if (ingress := workload.ingress) is None:
        return []
    where = f"; reached at {', '.join(ingress.urls)}" if ingress.urls else ""
    lines = [f"  requests: {ingress.held} held, {ingress.in_flight} in flight{where}"]
    if ingress.rejected is not None:
        lines.append(f"  a proxy refused its configuration, and goes on with the one before: {ingress.rejected}")
    return lines


def _describe_next_change(workload: WorkloadView, decision: DecisionView, now: float) -> str:
    # Schedules say when they change; only other triggers can do so at any moment.
    scheduled = bool(workload.triggers) and all(trigger.changes_at is not None for trigger in workload.triggers)
    if decision.next_change_at is None:
        return "when a reading changes; no cooldown or window is running"
    at = datetime.fromtimestamp(round(decision.next_change_at), UTC)
    day = "" if at.date() == datetime.fromtimestamp(now, UTC).date() else f"{at:%Y-%m-%d} "
    earlier = "" if scheduled else ", or earlier when a reading changes"
    return f"at {day}{at:%H:%M:%S} UTC, in {max(0.0, decision.next_change_at - now):.1f} s{earlier}"

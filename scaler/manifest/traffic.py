"""Triggers on the requests to the target: who may have them, and what they mean for the rest of its scaling."""

from __future__ import annotations

from collections.abc import Sequence

from scaler.manifest.located import Path
from scaler.manifest.problems import Report, shorten
from scaler.model import COMPOSE_SERVICE, App, Direction, ForeignTarget, ScalingPolicy, Trigger
from scaler.model.workload import DEFAULT_POLLING_INTERVAL_S
from scaler.ports.scaler import TrafficConfig

# What Azure calls the rule that an app with ingress gets when it has none.
DEFAULT_RULE = "http-scaler"
APP_KIND = "ContainerApp"
# Six readings at the default polling interval; `docs/quality.md` has what others cost and miss.
COUNTED_SCALE_DOWN_WINDOW_S = 30.0
# Knative's time to zero: its stable window, and its grace period after that.
COUNTED_COOLDOWN_S = 90.0
# How often requests are counted for a decision when the manifest is silent; one bucket of their windows.
REQUESTS_POLLING_INTERVAL_S = 1.0


def check_requests(report: Report, path: Path, type_: str, target: App | ForeignTarget) -> None:
    """Report a trigger on requests whose target has no ingress, which alone could count them.

    Args:
        report: Of the trigger's document.
        path: Of the trigger.
        type_: The trigger's.
        target: What it is to scale.
    """
    # An http rule of Azure's has no type beside its metadata.
    blame: Path = path if report.document.get((*path, "type")) is None else (*path, "type")
    found = f"a trigger of type {type_}"
    if isinstance(target, App):
        if target.ingress is None:
            hint = "give it properties.configuration.ingress with a targetPort"
            report.error(blame, "an app with ingress", found=f"{found} of an app without", hint=hint)
    elif target.kind == COMPOSE_SERVICE:
        hint = "requests to a compose service do not come through the ingress, so nothing counts them"
        report.error(blame, "a trigger of another type", found=found, hint=hint)
    elif target.kind != APP_KIND:  # an app that there is not has been reported
        expected = f"a trigger of another type, or a {APP_KIND} with ingress as the target"
        hint = f"requests to a {shorten(target.kind)} do not come through the ingress, so nothing counts them"
        report.error(blame, expected, found=found, hint=hint)


def check_wake(
    report: Report, path: Path, target: App | ForeignTarget, triggers: Sequence[Trigger], *, lowest: int
) -> None:
    """Warn of an app with ingress that may stand at zero while no trigger of it follows requests.

    Args:
        report: Of the document with the triggers.
        path: Of the list of triggers.
        target: What they scale.
        triggers: All of them.
        lowest: As few replicas as there may be.
    """
    if not isinstance(target, App) or target.ingress is None or lowest > 0 or report.is_broken(path):
        return
    if not any(isinstance(trigger.config, TrafficConfig) for trigger in triggers):
        hint = "at zero, requests wait until another trigger starts the app, and are answered 503 when none does"
        report.warn(path, "one of type http too, or at least 1 replica", found="no trigger on requests", hint=hint)


def silent_scale_down(triggers: Sequence[Trigger]) -> Direction:
    """Return how a manifest without a `behavior` scales down.

    Knative's rules average over windows of their own: a window after them would smooth twice. Where sources count what
    is being worked on, a lower count wanted means that work was done: it is held for as long as an unneeded replica is
    worth what starting it again costs, several times over. Elsewhere replicas may be at work that nobody counts, and
    the HPA's window holds.
    """
    if triggers and all(trigger.policy.concurrency is not None for trigger in triggers):
        return Direction(stabilization_window_s=0.0)
    if triggers and all(
        trigger.policy.concurrency is not None or trigger.config.counts_in_progress() for trigger in triggers
    ):
        return Direction(stabilization_window_s=COUNTED_SCALE_DOWN_WINDOW_S)
    return ScalingPolicy().scale_down


def silent_cooldown_s(triggers: Sequence[Trigger]) -> float:
    """Return how long a manifest without a `cooldownPeriod` keeps what nothing needs.

    Where polled sources count what is being worked on, nothing in them means that all work is done, and what comes
    next waits in a queue. Requests are waited for by people: there the documented period saves them a start.
    """
    if triggers and all(
        trigger.policy.concurrency is None and trigger.config.counts_in_progress() for trigger in triggers
    ):
        return COUNTED_COOLDOWN_S
    return ScalingPolicy().cooldown_s


def polling_intervals(
    polling_s: float | None, idle_s: float | None, triggers: Sequence[Trigger]
) -> tuple[float, float | None]:
    """Return the seconds between two readings, and the same at zero, given what the manifest says.

    Requests that begin wake the decision by themselves, their end does not: their count is looked at each second, as
    its windows have it. At zero nothing can end.
    """
    if polling_s is None and triggers and all(trigger.policy.concurrency for trigger in triggers):
        return REQUESTS_POLLING_INTERVAL_S, DEFAULT_POLLING_INTERVAL_S if idle_s is None else idle_s
    return DEFAULT_POLLING_INTERVAL_S if polling_s is None else polling_s, idle_s

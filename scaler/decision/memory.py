"""How the decision's memory goes from one tick to the next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from scaler.decision import rate_limits, stabilization
from scaler.model import ConcurrencyState, DecisionState, Recommendation, ScaleEvent, ScalingPolicy


def initial_state(now: float) -> DecisionState:
    """Return the memory of a workload that is seen for the first time."""
    return DecisionState(created_at=now)


def rewound(state: DecisionState, now: float) -> DecisionState:
    """Return the memory with every time shifted so that the last decision was taken `now`.

    For a clock that was set back: what was remembered keeps its age instead of lying in the future, where it would
    hold windows and cooldowns open for as long as the clock was wrong.
    """
    if state.decided_at is None:
        return state
    shift = now - state.decided_at
    shift_in_seconds = math.floor(now) - math.floor(state.decided_at)

    def moved(at: float | None) -> float | None:
        return None if at is None else at + shift

    def moved_flight(flight: ConcurrencyState) -> ConcurrencyState:
        return replace(
            flight,
            seconds=tuple(each._replace(second=each.second + shift_in_seconds) for each in flight.seconds),
            read_at=moved(flight.read_at),
            panic_since=moved(flight.panic_since),
            delay=tuple(replace(item, at=item.at + shift) for item in flight.delay),
        )

    return DecisionState(
        created_at=state.created_at + shift,
        last_active_at=moved(state.last_active_at),
        decided_at=now,
        windows_since=moved(state.windows_since),
        highest=tuple(replace(item, at=item.at + shift) for item in state.highest),
        lowest=tuple(replace(item, at=item.at + shift) for item in state.lowest),
        events=tuple(replace(event, at=event.at + shift) for event in state.events),
        failures=state.failures,
        concurrency={name: moved_flight(flight) for name, flight in state.concurrency.items()},
    )


def with_windows(state: DecisionState, current: int, now: float) -> DecisionState:
    """Return the memory with windows that begin now, if they have not begun.

    The present count is their first recommendation, so that nothing scales down in the first window: after a start
    the triggers have said nothing yet about the time before. At zero there is nothing to hold.
    """
    if state.windows_since is not None:
        return state
    first = (Recommendation(now, current),) if current else ()
    return replace(state, windows_since=now, highest=first, lowest=first)


def resumed(policy: ScalingPolicy, state: DecisionState, now: float) -> DecisionState:
    """Return the stored memory of a workload as a service that starts again is to use it.

    After a short interruption the windows go on where they were. After one as long as the scale-down window nothing
    is left in it, and a single low reading would scale down: then the windows begin anew, as the HPA's do.
    What was in flight in between is not known, however short it was.
    """
    if state.concurrency:
        unread = {name: replace(flight, read_at=None) for name, flight in state.concurrency.items()}
        state = replace(state, concurrency=unread)
    if state.decided_at is None or now - state.decided_at < policy.scale_down.stabilization_window_s:
        return state
    return replace(state, windows_since=None)


def without_windows(state: DecisionState, failures: Mapping[str, int], now: float) -> DecisionState:
    """Return the memory of a paused workload: KEDA deletes the HPA, so its windows begin anew afterwards."""
    return DecisionState(
        created_at=state.created_at, last_active_at=state.last_active_at, decided_at=now, failures=failures
    )


def after(
    policy: ScalingPolicy,
    state: DecisionState,
    *,
    now: float,
    last_active_at: float | None,
    recommendation: int | None,
    change: int,
    failures: Mapping[str, int],
    concurrency: Mapping[str, ConcurrencyState],
) -> DecisionState:
    """Return the memory after a step that recommended a count (None: nothing to remember) and changed the count."""
    highest, lowest = state.highest, state.lowest
    if recommendation is not None:
        # Above the maximum all recommendations mean the same, and the windows stay as short as the maximum.
        kept = min(recommendation, policy.max_replicas)
        highest = stabilization.with_highest(highest, now, kept, policy.scale_down.stabilization_window_s)
        lowest = stabilization.with_lowest(lowest, now, kept, policy.scale_up.stabilization_window_s)
    events: tuple[ScaleEvent, ...] = rate_limits.with_change(policy, state.events, now, change)
    return DecisionState(
        created_at=state.created_at,
        last_active_at=last_active_at,
        decided_at=now,
        windows_since=state.windows_since,
        highest=highest,
        lowest=lowest,
        events=events,
        failures=failures,
        concurrency=concurrency,
    )

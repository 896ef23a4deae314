"""From the two averages to the count: what Knative's autoscaler does at each tick."""

from __future__ import annotations

import math

from scaler.decision.concurrency import delay
from scaler.model import ConcurrencyPolicy, ConcurrencyState

_INT32_MAX = 2**31 - 1


def started(replicas: int, now: float) -> ConcurrencyState:
    """Return the memory of an autoscaler that knows nothing of the time before.

    With several replicas it starts panicking at their count: nothing scales down before a whole window is known.
    """
    return ConcurrencyState(panic_since=now if replicas > 1 else None, panic_replicas=replicas)


def scale(
    rules: ConcurrencyPolicy,
    target: float,
    memory: ConcurrencyState,
    *,
    stable: float,
    panic: float,
    ready: int,
    now: float,
) -> tuple[int, ConcurrencyState]:
    """Return the count that the averages ask for, and the memory after it.

    Args:
        rules: Knative's parameters.
        target: Requests in flight that one replica is to carry, above 0.
        memory: Of panic and delay.
        stable: The average over the stable window.
        panic: The average over the panic window.
        ready: Replicas that serve.
        now: The moment.
    """
    ready = max(1, ready)
    most = _ceil(rules.max_up_rate * ready)
    least = math.floor(ready / rules.max_down_rate)
    for_stable, for_panic = _ceil(stable / target), _ceil(panic / target)
    wants = min(max(for_stable, least), most)
    wants_in_panic = min(max(for_panic, least), most)
    if rules.activation_scale > 1:
        # Only what wants something at all; it comes after the rates, and may go past them.
        wants = max(wants, rules.activation_scale) if for_stable else wants
        wants_in_panic = max(wants_in_panic, rules.activation_scale) if for_panic else wants_in_panic
    panic_since, highest = memory.panic_since, memory.panic_replicas
    # Before the rates: a burst is one however slowly it may be followed.
    if for_panic / ready >= rules.panic_threshold:
        panic_since = now
    elif panic_since is not None and panic_since + rules.stable_window_s < now:
        panic_since, highest = None, 0
    if panic_since is not None:
        wants = highest = max(highest, wants, wants_in_panic)
    counts = memory.delay
    if rules.scale_down_delay_s > 0:
        counts = delay.with_count(counts, now, wants, rules.scale_down_delay_s)
        wants = counts[0].replicas
    else:
        counts = ()
    if (panic_since, highest, counts) != (memory.panic_since, memory.panic_replicas, memory.delay):
        memory = ConcurrencyState(memory.seconds, memory.in_flight, memory.read_at, panic_since, highest, counts)
    return wants, memory


def _ceil(count: float) -> int:
    return _INT32_MAX if count >= _INT32_MAX else math.ceil(count)

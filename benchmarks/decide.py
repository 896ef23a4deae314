"""How long one decision takes, and that a long window read often does not make it longer."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable

from scaler.decision import decide, initial_state
from scaler.model import (
    Direction,
    PolicyType,
    RateLimit,
    Reading,
    ReplicaCounts,
    ScalingPolicy,
    TriggerPolicy,
)

GOAL_US = 25.0
TICK_S = 0.1
SHORT_WINDOW_S, LONG_WINDOW_S = 3, 300
MEASURED = 5_000

Demand = Callable[[int], float]

DEMANDS: dict[str, Demand] = {
    "steady backlog": lambda _: 100.0,
    "noisy backlog": lambda tick: float(tick * 37 % 400),
    "draining backlog": lambda tick: float(500 - tick % 500),
    "scaling at every tick": lambda tick: 300.0 if tick % 2 else 30.0,
}


def policy(window_s: float, *, limited: bool) -> ScalingPolicy:
    """One trigger with a behavior block: windows and two policies in each direction."""
    limits = (RateLimit(PolicyType.PODS, 4, int(window_s)), RateLimit(PolicyType.PERCENT, 100, int(window_s)))
    # Where each tick is to scale, so that as many changes as possible are remembered, nothing may hold it back.
    free = (RateLimit(PolicyType.PODS, 1_000_000, int(window_s)), RateLimit(PolicyType.PERCENT, 900, int(window_s)))
    side = Direction(window_s if limited else 0.0, limits if limited else free, explicit=True)
    return ScalingPolicy(
        triggers=(TriggerPolicy("redis-0", "redis", 5.0),),
        min_replicas=1,
        max_replicas=100,
        scale_up=side,
        scale_down=side,
    )


def median_us(demand: Demand, window_s: float, *, limited: bool) -> float:
    """Return the median of a decision, in microseconds, once the window is full."""
    rules = policy(window_s, limited=limited)
    now, count = 1_700_000_000.0, 10
    state = initial_state(now)
    fill = int(window_s / TICK_S)
    taken: list[int] = []
    for tick in range(fill + MEASURED):
        readings = {"redis-0": Reading(demand(tick))}
        replicas = ReplicaCounts.settled(count)
        began = time.perf_counter_ns()
        decision, state = decide(rules, state, readings, replicas, now)
        taken.append(time.perf_counter_ns() - began)
        count = decision.desired
        now += TICK_S
    return statistics.median(taken[fill:]) / 1000


def main() -> None:
    """Print the medians for a short and a long window, and their ratio."""
    print(f"decide(): {platform.machine()}, {os.cpu_count()} CPUs, {platform.platform()}, ", end="")
    print(f"{platform.python_implementation()} {platform.python_version()}")
    print(
        f"one trigger with a behavior block, read every {TICK_S} s; median of {MEASURED} decisions; goal {GOAL_US} us"
    )
    for name, demand in DEMANDS.items():
        limited = "every tick" not in name
        short, long = (median_us(demand, window_s, limited=limited) for window_s in (SHORT_WINDOW_S, LONG_WINDOW_S))
        print(
            f"  {name:<26} window {SHORT_WINDOW_S} s {short:5.1f} us   {LONG_WINDOW_S} s {long:5.1f} us   "
            f"ratio {long / short:.2f}"
        )


if __name__ == "__main__":
    main()

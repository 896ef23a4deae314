"""Runs all benchmarks, or those that are named: `python -m benchmarks [NAME...]`."""

from __future__ import annotations

import sys

from benchmarks import day, decide, fleet, machine, no_failed_request, outages, reaction, soak, storm
from benchmarks.faults import run as faults
from benchmarks.fuzz import campaign
from benchmarks.ingress import held, hot, routes, step, wake
from benchmarks.quality import main as quality
from scaler.observability import logs

ALL = {
    "decide": decide.main,
    "day": day.main,
    "fleet": fleet.main,
    "reaction": reaction.main,
    "storm": storm.main,
    "outages": outages.main,
    "hot": hot.main,
    "wake": wake.main,
    "step": step.main,
    "routes": routes.main,
    "held": held.main,
}
# Too long to be among all; by name only.
LONG = {
    "soak": soak.main,
    "no_failed_request": no_failed_request.main,
    "quality": quality.main,
    "faults": faults.main,
    "fuzz": campaign.main,
}


def main() -> None:
    """Run those that are named, or all."""
    known = ALL | LONG
    names = sys.argv[1:] or list(ALL)
    unknown = set(names) - set(known)
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))} (there are: {', '.join(known)})")
    logs.configure(level="warning")
    print(f"machine: {machine.describe()}")
    for name in names:
        print(f"\n== {name}")
        known[name]()


main()

"""Runs all benchmarks: `python -m benchmarks [NAME...]`."""

from __future__ import annotations

import sys

from benchmarks import decide, fleet, machine, reaction, storm
from scaler.observability import logs

ALL = {"decide": decide.main, "fleet": fleet.main, "reaction": reaction.main, "storm": storm.main}


def main() -> None:
    """Run those that are named, or all."""
    names = sys.argv[1:] or list(ALL)
    unknown = set(names) - set(ALL)
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))} (there are: {', '.join(ALL)})")
    logs.configure(level="warning")
    print(f"machine: {machine.describe()}")
    for name in names:
        print(f"\n== {name}")
        ALL[name]()


main()

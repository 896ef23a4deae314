"""`python -m benchmarks quality`: the comparison, printed and drawn, and the simulated fleet against the real one."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.quality import comparison, live, live_http, plots, report
from benchmarks.quality.traces import KINDS

SEED = int(os.environ.get("SCALER_BENCH_SEED", "1"))
PICTURES = Path("build/quality")


def main() -> None:
    """Compare, and check what compares."""
    print(f"seed {SEED}; waits in seconds; replica-seconds from being asked for until gone")
    compared = comparison.compare_all(SEED)
    for each in compared:
        print("\n".join(report.table(each)))
    print("\n".join(["", *report.ratios(compared), "", *report.totals(compared)]), flush=True)
    for work in KINDS:
        kind = [each for each in compared if each.trace.work.name == work.name]
        for draw, name in ((plots.courses, "replicas"), (plots.costs, "costs")):
            file = PICTURES / f"{work.name}-{name}.png"
            draw(kind, file)
            print(f"drawn: {file}")
    live.main(SEED)
    live_http.main(SEED)

"""Runs many cases and counts what became of them; `python -m benchmarks fuzz` runs the whole of it."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from traceback import extract_tb
from typing import TypeAlias

from benchmarks.fuzz import checks, corpus, limits
from scaler.manifest import Outside

MANIFESTS, TRACES, LABELS = 10_000, 2_000, 2_000
_SHOWN = 10


@dataclass
class Results:
    """What became of the cases of one kind.

    Attributes:
        outcomes: How many were accepted, refused and broken.
        broken: The number of each broken case, why, and its input.
        slowest_s: Processor time of the slowest case.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str, object]] = field(default_factory=list)
    slowest_s: float = 0.0


# So many cases of a seed.
Run: TypeAlias = Callable[[int, int], Results]


def manifests(cases: int, seed: int) -> Results:
    """Load mutated manifests."""
    with tempfile.TemporaryDirectory() as folder:

        def check(case: object, number: int) -> str:
            outside = Outside.OPTIONAL if number % 2 else Outside.REQUIRED
            return checks.manifest(case, Path(folder), outside=outside)  # type: ignore[arg-type]

        return _run("manifests", cases, seed, corpus.a_manifest, check)


def traces(cases: int, seed: int) -> Results:
    """Parse and replay mutated traces."""
    workload = corpus.workload()
    return _run("traces", cases, seed, corpus.a_trace, lambda case, _: checks.trace(case, workload))  # type: ignore[arg-type]


def labels(cases: int, seed: int) -> Results:
    """Read mutated labels of compose services."""
    return _run("labels", cases, seed, corpus.some_labels, lambda case, _: checks.labels(case))  # type: ignore[arg-type]


def main() -> None:
    """Run it all: the seed is SCALER_FUZZ_SEED, else another one each time; SCALER_FUZZ_SHARE is a part of it."""
    seed = int(os.environ.get("SCALER_FUZZ_SEED") or time.time())
    share = float(os.environ.get("SCALER_FUZZ_SHARE", "1"))
    print(f"seed {seed}")
    failed = False
    for run, cases in ((manifests, MANIFESTS), (traces, TRACES), (labels, LABELS)):
        results = run(max(1, round(cases * share)), seed)
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(results.outcomes.items()))
        print(f"{run.__name__}: {results.outcomes.total()} cases: {counts}; slowest {results.slowest_s:.2f} s")
        for number, why, case in results.broken[:_SHOWN]:
            print(f"  case {number}: {why}\n    {str(case)[:2000]}")
        failed = failed or bool(results.broken)
    if failed:
        sys.exit(1)


def _run(
    kind: str, cases: int, seed: int, make: Callable[[Random], object], check: Callable[[object, int], str]
) -> Results:
    results = Results()
    for number in range(cases):
        # Of its own for each case, so that one can be had again alone.
        case = make(Random(f"{kind} {seed} {number}"))  # noqa: S311 - no secret
        began = time.process_time()
        try:
            with limits.bounded():
                outcome = check(case, number)
        except checks.Broken as broken:
            outcome = "broken"
            results.broken.append((number, str(broken), case))
        except limits.TooMuch as much:
            outcome = "too much"
            results.broken.append((number, f"it took {much}", case))
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            outcome = "crashed"
            frame = extract_tb(error.__traceback__)[-1]
            where = f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            results.broken.append((number, f"{type(error).__name__} at {where}: {str(error)[:200]}", case))
        results.outcomes[outcome] += 1
        results.slowest_s = max(results.slowest_s, time.process_time() - began)
    return results

"""A short run of the faults, of the kinds that are quick: nothing is broken after any of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

KINDS = (
    "service killed in a scale-up",
    "service killed in a state write",
    "service stopped",
    "redis killed",
    "replicas removed",
    "Envoy killed",
    "state truncated",
    "manifest broken",
)


def run(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "faults"],
        cwd=ROOT,
        env={**os.environ, **{f"SCALER_FAULTS_{name}": value for name, value in settings.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )


def test_nothing_is_broken_by_quick_faults() -> None:
    kinds = ",".join(KINDS)
    done = run(COUNT=str(len(KINDS)), WORLDS="process", SOURCES="list api", SETTLE_S="120", KINDS=kinds)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    assert "broken invariants: 0" in done.stdout
    assert all(f"process: {kind}" in done.stdout for kind in KINDS)

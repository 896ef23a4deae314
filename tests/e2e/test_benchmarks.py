"""The benchmarks that look for broken promises find none, in short."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

# Lateness is for a machine that does nothing else.
SHORT = {"SCALER_BENCH_KILLS": "3", "SCALER_BENCH_LATE_S": "60", "SCALER_SOAK_SECONDS": "1"}


@pytest.mark.parametrize("name", ["outages", "soak"])
def test_no_promise_is_broken(name: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", name],
        cwd=ROOT,
        env={**os.environ, **SHORT},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]

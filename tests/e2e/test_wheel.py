"""The built wheel, installed into an empty environment: entry points and packaged files exist only there."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        env={key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_clean_install_of_the_wheel_runs_the_demo(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("event_scaler-*.whl")
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python, scaler = environment / "bin" / "python", environment / "bin" / "scaler"
    pins = ROOT / "deploy" / "requirements.txt"
    run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", pins, cwd=tmp_path)
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel, cwd=tmp_path)
    run(python, "-m", "pip", "check", cwd=tmp_path)
    assert "redis-streams" in run(scaler, "plugins", cwd=tmp_path)
    assert "peak replicas: 10, now: 0" in run(scaler, "demo", cwd=tmp_path)
    # As the README says it, from the checkout.
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "event-scaler", cwd=tmp_path)
    run(python, "-m", "pip", "install", "--quiet", ".", cwd=ROOT)
    assert "redis-streams" in run(scaler, "plugins", cwd=tmp_path)

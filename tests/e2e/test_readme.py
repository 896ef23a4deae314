"""The README's two commands are those that CI runs; tests/e2e/docs runs its others, and those of all pages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scaler.testing.documentation import pages

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_readme_begins_with_the_two_commands_that_ci_runs() -> None:
    commands = [step.text for step in pages.steps(README) if isinstance(step, pages.Command)]
    assert commands[:2] == ["make demo", "make test"]
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_make_demo_prints_what_the_readme_says() -> None:
    # The very environment that runs this test serves the target.
    done = subprocess.run(["make", "demo"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = [line for line in README.splitlines() if line.startswith("messages sent")]
    assert printed[0] in done.stdout

"""Prometheus' own tool accepts what ships, and each alert fires when it should and only then."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.services

PROMETHEUS = Path(__file__).parents[3] / "deploy" / "prometheus"


def promtool(*arguments: str | Path) -> None:
    ended = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_configuration_is_valid() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


def test_the_rules_are_valid() -> None:
    promtool("check", "rules", *sorted((PROMETHEUS / "rules").iterdir()))


def test_each_alert_fires_and_does_not_and_each_record_has_its_value() -> None:
    promtool("test", "rules", *sorted((PROMETHEUS / "tests").iterdir()))


def test_no_rule_is_left_untested() -> None:
    tests = "".join(file.read_text() for file in sorted((PROMETHEUS / "tests").iterdir()))
    rules = "".join(file.read_text() for file in sorted((PROMETHEUS / "rules").iterdir()))
    names = [line.split()[-1] for line in rules.splitlines() if line.lstrip().startswith(("- alert:", "- record:"))]
    assert names
    assert [name for name in names if name not in tests] == []

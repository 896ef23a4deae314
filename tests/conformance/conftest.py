"""Recorded answers of the real HPA, KEDA and Knative code, and an account of every case that we answer differently."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from scaler.model import Direction, PolicyType, RateLimit, SelectPolicy

DATA = Path(__file__).parent / "data"
DIFFERENCES = Path(__file__).parents[2] / "docs" / "decision.md"
ACCOUNT = "conformance"


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], list[dict[str, Any]]]:
    def load(name: str) -> list[dict[str, Any]]:
        with gzip.open(DATA / f"{name}.jsonl.gz", "rt") as lines:
            return [json.loads(line) for line in lines]

    return load


class Account:
    """Counts which rule of the table of differences explains which cases; the numbers end the test run's output."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record
        self._explained: Counter[str] = Counter()

    def explain(self, rule: str) -> None:
        """Count a case that differs as this rule says; call it only after showing that."""
        self._explained[rule] += 1

    def close(self, name: str, total: int, expected: Mapping[str, int]) -> None:
        """Assert how many cases each rule explains, all others being equal, and print it."""
        equal = total - self._explained.total()
        rules = ", ".join(f"{rule} {count}" for rule, count in sorted(self._explained.items()))
        self._record(ACCOUNT, f"{name}: {total} recorded, {equal} equal" + (f"; {rules}" if rules else ""))
        assert dict(self._explained) == dict(expected)
        undocumented = [rule for rule in expected if f"| `{rule}` |" not in DIFFERENCES.read_text()]
        assert not undocumented


@pytest.fixture
def account(record_property: Callable[[str, object], None]) -> Account:
    return Account(record_property)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = sorted(
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in getattr(report, "user_properties", ())
        if name == ACCOUNT
    )
    if lines:
        terminalreporter.section("conformance with the HPA, KEDA and Knative")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def direction() -> Callable[..., Direction]:
    def read(rules: Mapping[str, Any], *, tolerance: float = 0.1) -> Direction:
        """Read one side of an autoscaling/v2 behavior, its defaults filled in."""
        given = rules.get("tolerance")
        if given is not None:
            tolerance = float(given.removesuffix("m")) / (1000 if given.endswith("m") else 1)
        return Direction(
            stabilization_window_s=rules["stabilizationWindowSeconds"],
            limits=tuple(
                RateLimit(PolicyType(limit["type"]), limit["value"], limit["periodSeconds"])
                for limit in rules["policies"]
            ),
            select_policy=SelectPolicy(rules["selectPolicy"]),
            tolerance=tolerance,
            explicit=True,
        )

    return read

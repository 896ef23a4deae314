"""Names that pages use are those of the code: metrics, log events, commands with their options."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from scaler import cli
from scaler.testing.documentation import pages

ROOT = Path(__file__).parents[3]
DOCUMENTS = pages.documents(ROOT)
METRICS = [line.split()[0] for line in (ROOT / "tests" / "golden" / "metrics.txt").read_text().splitlines()]
SERIES = re.compile(r"`(scaler_[a-z_]+)")
CALL = re.compile(r"(?:^\$ |`)scaler ([a-z][a-z-]*)((?: [^`\n]*)?)", re.MULTILINE)
OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")


def options() -> dict[str, set[str]]:
    group: Any = typer.main.get_command(cli.app)
    return {
        name: {"--help", *(option for parameter in command.params for option in parameter.opts)}
        for name, command in group.commands.items()
    }


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_metrics_are_those_that_there_are(page: Path) -> None:
    named = set(SERIES.findall(page.read_text()))
    stems = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in named}
    assert sorted(stem for stem in stems if stem not in METRICS) == []


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_are_those_that_there_are(page: Path) -> None:
    known = options()
    unknown = []
    for command, rest in CALL.findall(page.read_text()):
        if command not in known:
            unknown.append(command)
        else:
            unknown += [f"{command} {option}" for option in OPTION.findall(rest) if option not in known[command]]
    assert unknown == []


def test_log_events_are_those_that_there_are() -> None:
    table = (ROOT / "docs" / "operating.md").read_text().partition("## The log")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {event for row in rows for event in re.findall(r"`([a-z_]+)`", row)}
    assert len(named) > 20
    trouble = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", (ROOT / "docs" / "troubleshooting.md").read_text()))
    named |= {name for name in trouble if not name.startswith("scaler_")}
    logged = {
        node.value
        for path in (ROOT / "scaler").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sorted(named - logged) == []

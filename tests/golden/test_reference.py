"""The reference pages are what the code itself says; `make docs` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

from scaler import cli
from scaler.engine import plugins
from scaler.manifest import json_schema
from scaler.testing.documentation import reference

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "reference"


def check(name: str, text: str) -> None:
    path = PAGES / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


def test_the_commands_are_those_of_the_command_line() -> None:
    text = reference.command_line(cli.app)
    assert "## `scaler run`" in text
    assert "| `--listen` | `127.0.0.1:8470` |" in text
    check("commands.md", text)


def test_the_fields_are_those_of_the_schema() -> None:
    own = {plugin.type for plugin in plugins.installed() if plugin.distribution == plugins.DISTRIBUTION}
    scalers = {type_: found for type_, found in plugins.discover().items() if type_ in own}
    text = reference.manifests(json_schema(scalers))
    assert "| `properties.template.scale.minReplicas` | an integer from 0 to 1,000 |  |" in text
    assert "| `properties.configuration.dapr` | only `enabled: false` | **refused**: not supported yet |" in text
    check("manifests.md", text)


def test_the_metrics_are_those_of_the_golden_list() -> None:
    text = reference.metrics((Path(__file__).parent / "metrics.txt").read_text())
    assert "| `scaler_pushes_total` | counter | workload |" in text
    check("metrics.md", text)

"""What the comparison says of this project is so; of others it names the pages that say it."""

from __future__ import annotations

import re
from pathlib import Path

from scaler.engine import plugins
from scaler.manifest.keda.trigger_types import KEDA_TYPES

PAGE = (Path(__file__).parents[3] / "docs" / "comparison.md").read_text()
OTHERS = ("KEDA", "KEDA HTTP add-on", "Azure Container Apps", "Knative", "Sablier")


def test_the_numbers_of_trigger_types_are_counted() -> None:
    own = [plugin for plugin in plugins.installed() if plugin.distribution == plugins.DISTRIBUTION]
    assert f"| event sources | {len(own)} trigger types | **{len(KEDA_TYPES)} trigger types** |" in PAGE


def test_every_row_says_something_of_each() -> None:
    rows = [line for line in PAGE.partition("\n## ")[0].splitlines() if line.startswith("|")]
    assert len(rows) > 15
    assert [row for row in rows if len(row.strip("|").split("|")) != len(OTHERS) + 2] == []


def test_each_of_the_others_has_its_sources() -> None:
    sources = PAGE.partition("\n## Sources\n")[2]
    for other in OTHERS:
        assert re.search(rf"^\| {other}[ 0-9.a-z]* \|.*https://", sources, re.MULTILINE), other

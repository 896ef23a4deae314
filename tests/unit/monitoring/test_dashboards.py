"""The dashboards that ship are those that their source gives, and every panel says what it shows in which unit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GRAFANA = Path(__file__).parents[3] / "deploy" / "grafana"
DASHBOARDS = {file.stem: json.loads(file.read_text()) for file in sorted((GRAFANA / "dashboards").glob("*.json"))}
each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)


def test_they_are_as_their_source_gives_them(tmp_path: Path) -> None:
    subprocess.run([sys.executable, GRAFANA / "source" / "generate.py", tmp_path], check=True)
    written = {file.stem: json.loads(file.read_text()) for file in tmp_path.iterdir()}
    assert written == DASHBOARDS, "run deploy/grafana/source/generate.py"
    assert written.keys() == {"overview", "workload", "service"}


@each_dashboard
def test_each_panel_has_a_title_a_description_a_unit_and_a_legend(dashboard: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in dashboard["panels"]]
    assert len(set(titles)) == len(titles)
    for panel in dashboard["panels"]:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["type"] == "stat" or all(target["legendFormat"] for target in panel["targets"]), panel["title"]


@each_dashboard
def test_no_two_panels_share_a_place(dashboard: dict[str, Any]) -> None:
    taken = [
        (column, row)
        for place in (panel["gridPos"] for panel in dashboard["panels"])
        for column in range(place["x"], place["x"] + place["w"])
        for row in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(column for column, _ in taken) < 24


@each_dashboard
def test_variables_that_are_used_are_there_and_the_other_way_round(dashboard: dict[str, Any]) -> None:
    text = json.dumps(dashboard)
    variables = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert variables[:3] == ["datasource", "job", "instance"]
    assert [name for name in variables if f"${name}" not in text and f"${{{name}}}" not in text] == []
    assert ("workload" in variables) == ("$workload" in text)
    # "All" are the services that there are: by `.*` the processor's time would be that of every job of a Prometheus.
    assert [each["name"] for each in dashboard["templating"]["list"] if each.get("allValue") is not None] == []
    assert dashboard["links"][0]["includeVars"]

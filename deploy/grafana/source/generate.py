"""Writes the dashboards: `python deploy/grafana/source/generate.py`.

They are written rather than kept by hand, because nine lines of ten in Grafana's format are the same for every panel.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import overview
import service
import workload
from panel import DATASOURCE, OF_SERVICE, Panel

FOLDER = Path(__file__).parents[1] / "dashboards"
WIDTH = 24


def variable(name: str, query: str, *, several: bool) -> dict[str, Any]:
    """Return a choice among the values of a label."""
    return {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "datasource": DATASOURCE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": several,
        "includeAll": several,
        # Not `.*`: all of the choices, and not every job of a Prometheus that scrapes others, too.
        "allValue": None,
        "current": {"text": "All", "value": "$__all"} if several else {},
    }


VARIABLES = (
    {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "current": {}},
    variable("job", "label_values(scaler_build_info, job)", several=True),
    variable("instance", 'label_values(scaler_build_info{job=~"$job"}, instance)', several=True),
)
OF_ONE = variable("workload", f"label_values(scaler_workload_wanted_replicas{{{OF_SERVICE}}}, workload)", several=False)


def dashboard(name: str, text: str, panels: Sequence[Panel], *variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dashboard as Grafana stores it: panels from left to right, in rows."""
    placed = []
    x = y = height = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > WIDTH:
            x, y, height = 0, y + height, 0
        placed.append(panel.as_json(number, x, y))
        x, height = x + panel.width, max(height, panel.height)
    to_the_others = {
        "type": "dashboards",
        "title": "Scaler",
        "tags": ["scaler"],
        "includeVars": True,
        "keepTime": True,
    }
    return {
        "uid": f"scaler-{name}",
        "title": f"Scaler / {name.capitalize()}",
        "description": text,
        "tags": ["scaler"],
        "schemaVersion": 38,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [to_the_others],
        "templating": {"list": [*VARIABLES, *variables]},
        "panels": placed,
    }


def write(folder: Path) -> None:
    """Write all of them."""
    for each in (
        dashboard("overview", overview.TEXT, overview.PANELS),
        dashboard("workload", workload.TEXT, workload.PANELS, OF_ONE),
        dashboard("service", service.TEXT, service.PANELS),
    ):
        name = each["uid"].removeprefix("scaler-")
        (folder / f"{name}.json").write_text(json.dumps(each, indent=2) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)

"""The rules, alerts and dashboards that ship ask only for what the service serves, and every alert has its page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
# What Prometheus itself and its client libraries add.
FOREIGN = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"}
FOREIGN |= {"process_start_time_seconds"}
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "summary": ("_sum", "_count"),
    "histogram": ("_bucket", "_sum", "_count"),
}


def rules(kind: str) -> list[Mapping[str, Any]]:
    """Return all rules of one kind, `alert` or `record`."""
    files = [YAML(typ="safe").load(file) for file in sorted(RULES.glob("*.yml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"] if kind in rule]


ALERTS = rules("alert")


def served() -> set[str]:
    """Return the names of all samples that the service and the recording rules give."""
    names = {rule["record"] for rule in rules("record")}
    for line in (ROOT / "tests" / "golden" / "metrics.txt").read_text().splitlines():
        name, type_ = line.split()[:2]
        names |= {name + suffix for suffix in SUFFIXES[type_]}
    return names


def asked(expression: str) -> set[str]:
    """Return the names of series in an expression of PromQL."""
    bare = re.sub(
        r"\{[^}]*\}|\[[^]]*\]|\"[^\"]*\"|\b(by|on|without|ignoring|group_left|group_right) \([^)]*\)", " ", expression
    )
    return {word for word in re.findall(r"[a-zA-Z_:][\w:]*", bare) if "_" in word} - {
        "histogram_quantile", "label_values", "min_over_time", "max_over_time", "avg_over_time",
        "group_left",
    } | ({"up"} if re.search(r"\bup\b", bare) else set())  # fmt: skip


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in (*ALERTS, *rules("record")))
    for file in DASHBOARDS:
        dashboard = json.loads(file.read_text())
        yield from (target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ()))
        yield from (each["query"] for each in dashboard["templating"]["list"] if each["type"] == "query")


def test_only_series_that_are_served_are_asked_for() -> None:
    everything = [name for expression in expressions() for name in asked(expression)]
    assert set(everything) - served() - FOREIGN == set()
    assert len(everything) > len(ALERTS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_each_alert_says_what_is_wrong_and_where_to_read_on(alert: Mapping[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning"}
    notes = alert["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url"}
    page = ROOT / notes["runbook_url"]
    assert page.read_text().startswith(f"# {alert['alert']}\n")
    assert re.findall(r"^## (.*)", page.read_text(), re.MULTILINE) == ["What it means", "How to see", "What to do"]


def test_the_list_of_runbooks_is_that_of_the_alerts() -> None:
    listing = (ROOT / "docs" / "runbooks" / "README.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| \[[\w-]+\]\(([\w.-]+)\) \|", listing, re.MULTILINE)
    expected = {
        (alert["alert"], alert["labels"]["severity"], Path(alert["annotations"]["runbook_url"]).name)
        for alert in ALERTS
    }
    assert set(rows) == expected
    assert {page for _, _, page in rows} | {"README.md"} == {
        page.name for page in (ROOT / "docs" / "runbooks").iterdir()
    }

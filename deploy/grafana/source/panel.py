"""One chart or figure of a dashboard, and the expressions that several of them use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

# What is shown is of these services, and of this workload where there is one.
OF_SERVICE = 'job=~"$job", instance=~"$instance"'
OF_WORKLOAD = f'{OF_SERVICE}, workload=~"$workload"'

_TO_WORKLOAD = {
    "title": "${__field.labels.workload}",
    "url": "/d/scaler-workload?var-workload=${__field.labels.workload}&${__url_time_range}",
}


@dataclass(frozen=True)
class Panel:
    """One chart or figure.

    Attributes:
        title: What it shows.
        text: How to read it.
        queries: Expressions by their legends.
        unit: Grafana's name of it.
        kind: Grafana's type of panel.
        width: Columns, of 24.
        height: Rows.
        red_from: The value from which it is red; None never.
        red_below: The value below which it is red, instead.
    """

    title: str
    text: str
    queries: Mapping[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    red_from: float | None = None
    red_below: float | None = None

    def as_json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """Return it as Grafana stores it."""
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        if self.red_from is not None:
            steps.append({"color": "red", "value": self.red_from})
        if self.red_below is not None:
            steps = [{"color": "red", "value": None}, {"color": "green", "value": self.red_below}]
        defaults: dict[str, Any] = {"unit": self.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
        options: dict[str, Any] = {"reduceOptions": {"calcs": ["lastNotNull"]}}
        if self.kind == "timeseries":
            defaults["custom"] = {"fillOpacity": 10, "lineInterpolation": "stepAfter", "showPoints": "never"}
            options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
        elif self.kind == "bargauge":
            options |= {"orientation": "horizontal", "displayMode": "basic"}
        if any("{{workload}}" in legend for legend in self.queries):
            defaults["links"] = [_TO_WORKLOAD]
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.text,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": options,
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": DATASOURCE,
                    "expr": expression,
                    "legendFormat": legend,
                    "instant": self.kind != "timeseries",
                    "range": self.kind == "timeseries",
                }
                for index, (legend, expression) in enumerate(self.queries.items())
            ],
        }


def figure(
    title: str,
    text: str,
    expression: str,
    *,
    red_from: float | None = None,
    red_below: float | None = None,
    unit: str = "short",
) -> Panel:
    """Return a single number."""
    queries = {"": expression}
    return Panel(title, text, queries, unit, "stat", width=4, height=4, red_from=red_from, red_below=red_below)


def rate(metric: str, selector: str, *by: str) -> str:
    """Return how often a second something is counted, in all or by labels."""
    return f"sum{_by(by)}(rate({metric}{{{selector}}}[$__rate_interval]))"


def quantile(share: float, metric: str, selector: str, *by: str) -> str:
    """Return a quantile of durations, of which there is a histogram."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', selector, *by, 'le')})"


def average(metric: str, selector: str) -> str:
    """Return the average of durations, of which there are a sum and a number."""
    return f"{rate(f'{metric}_sum', selector)} / {rate(f'{metric}_count', selector)}"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)}) " if labels else ""

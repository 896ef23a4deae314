"""Asks a Prometheus what Grafana asks it: what a panel shows, and what a variable may be."""

from __future__ import annotations

import json
import math
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

# Grafana takes four scrapes; here they come ten a second, but not when the machine is busy.
RATE_INTERVAL = "10s"


class PrometheusApi:
    """The API at an address; it looks back to where it was made.

    Args:
        url: Where Prometheus is.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._since = time.time()

    def values(self, expression: str) -> list[float]:
        """Return all points that a chart of the time since the start would show; what is no number is left out."""
        answer = self._get(
            "query_range", query=expression, start=f"{self._since:.3f}", end=f"{time.time():.3f}", step="0.2"
        )
        points = [float(value) for line in answer["result"] for _, value in line["values"]]
        return [point for point in points if math.isfinite(point)]

    def now(self, expression: str) -> list[float]:
        """Return what holds at this moment."""
        return [float(line["value"][1]) for line in self._get("query", query=expression)["result"]]

    def choices(self, query: str) -> list[str]:
        """Return what `label_values(SERIES, LABEL)`, the query of a Grafana variable, gives."""
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
        assert found, query
        answer: list[str] = self._get(
            f"label/{found[2]}/values", **{"match[]": found[1], "start": f"{self._since:.3f}"}
        )
        return answer

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        request = urllib.request.urlopen(url, timeout=30)  # noqa: S310 - of a server of the test's own
        with request as answer:
            return json.load(answer)["data"]


def filled(expression: str, variables: Mapping[str, str]) -> str:
    """Return an expression as Grafana sends it: variables replaced, its own included."""
    for name, value in {"__rate_interval": RATE_INTERVAL, **variables}.items():
        expression = re.sub(rf"\${name}\b", value, expression)
    assert "$" not in expression, expression
    return expression

"""Knative's averages over time: its buckets, linear and weighted, and its time-weighted count of requests."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from scaler.decision.concurrency import windows
from scaler.model import FlightSecond

# The projects' own tables stay where they lie; the test runs where that folder is beside the checkout.
# Longer than any time between two reports.
LONG = 3600
RECORDED_BASE = 1_700_000_000
UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance"


class Buckets:
    """Knative's buckets, told to us as whole seconds: a bucket is a second of ours, whatever its granularity."""

    def __init__(self, case: dict[str, Any], *, as_knative: bool) -> None:
        # Knative asks the machine's clock, years after that of the recorded cases, what is outdated at a resize.
        self._resize_forgets = case["base_unix"] == RECORDED_BASE
        self._granularity_s = case["granularity_s"]
        self._base = case["base_unix"]
        self._weighted = case["weighted"]
        self._as_knative = as_knative
        self._seconds: tuple[FlightSecond, ...] = ()
        self._window_s = case["window_s"]

    def resize(self, window_s: float) -> None:
        if self._resize_forgets and window_s != self._window_s:
            self._seconds = ()
        self._window_s = window_s

    @property
    def _length(self) -> int:
        return math.ceil(self._window_s / self._granularity_s)

    def record(self, t_s: float, value: float) -> None:
        """Add to a bucket, which gets no longer by being added to twice."""
        bucket, seconds = self._bucket(t_s), self._seconds
        if self._as_knative and seconds and abs(bucket - seconds[-1].second) < self._length:
            self._fill(range(seconds[-1].second + 1, bucket))
            self._fill(range(bucket + 1, seconds[0].second))
        known = 0.0 if any(each.second == bucket for each in self._seconds) else 1.0
        self._seconds = windows.add(self._seconds, bucket, value, known, self._length)

    def average(self, t_s: float) -> float:
        bucket, seconds = self._bucket(t_s), self._seconds
        if seconds and self._weighted and self._as_knative and bucket - seconds[-1].second < self._length:
            for silent in range(seconds[-1].second + 1, bucket + 1):
                seconds = windows.add(seconds, silent, 0.0, 1.0, self._length)
        newest = max(bucket, seconds[-1].second) if seconds else bucket
        return windows.average(seconds, newest, self._length, weighted=self._weighted) or 0.0

    def _fill(self, silent: range) -> None:
        for bucket in silent:
            self._seconds = windows.add(self._seconds, bucket, 0.0, 1.0, self._length)

    def _bucket(self, t_s: float) -> int:
        return math.floor((self._base + t_s) / self._granularity_s)


def answers(case: dict[str, Any], *, as_knative: bool) -> list[float]:
    buckets = Buckets(case, as_knative=as_knative)
    found = []
    for op in case["ops"]:
        match op["op"]:
            case "record":
                buckets.record(op["t_s"], op["value"])
            case "resize":
                buckets.resize(op["window_s"])
            case "average":
                found.append(buckets.average(op["t_s"]))
    return found


def expected(case: dict[str, Any]) -> list[tuple[float, bool]]:
    """Return the averages, and whether a resize came before."""
    resized, found = False, []
    for op in case["ops"]:
        resized |= op["op"] == "resize"
        if op["op"] == "average":
            found.append((pytest.approx(op["expected"], rel=1e-9, abs=1e-9), resized))
    return found


def check_windows(name: str, cases: list[dict[str, Any]], account: Any, rules: dict[str, int]) -> None:
    total = 0
    for case in cases:
        ours = answers(case, as_knative=False)
        told = answers(case, as_knative=True)
        for at, (wanted, resized) in enumerate(expected(case)):
            total += 1
            if ours[at] == wanted:
                continue
            # The rule: seconds that nobody measured are none. With zeros told for them we answer as Knative does.
            if told[at] == wanted:
                account.explain("silence-is-not-zero")
            else:
                assert resized, (case["id"], at)
                assert case["base_unix"] == RECORDED_BASE, (case["id"], at)
                account.explain("resize-keeps-what-is-known")
    account.close(name, total, rules)


def test_averages_are_those_of_knative(recorded: Any, account: Any) -> None:
    check_windows(
        "knative-windows (averages)",
        recorded("knative-windows"),
        account,
        {"resize-keeps-what-is-known": 32, "silence-is-not-zero": 7732},
    )


def upstream(name: str) -> list[dict[str, Any]]:
    with gzip.open(UPSTREAM / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.skipif(not UPSTREAM.exists(), reason="Knative's own tables are not beside the checkout")
def test_averages_are_those_of_knatives_own_tables(account: Any) -> None:
    check_windows(
        "table-knative-windows (averages)", upstream("table-knative-windows"), account, {"silence-is-not-zero": 7}
    )


@pytest.mark.skipif(not UPSTREAM.exists(), reason="Knative's own tables are not beside the checkout")
def test_the_last_second_of_a_weighted_average_has_knatives_share(account: Any) -> None:
    cases = upstream("table-knative-smoothing")
    for case in cases:
        assert windows.last_share(case["buckets"]) == pytest.approx(case["expected"], rel=1e-12), case["id"]
    account.close("table-knative-smoothing", len(cases), {})


def test_the_time_weighted_average_is_that_of_knative(recorded: Any, account: Any) -> None:
    """Each report averages over the time since the one before it; what came through its activator counts like all."""
    reports = 0
    for case in recorded("knative-request-stats"):
        in_flight, at_s = 0, 0.0
        known: tuple[FlightSecond, ...] = ()
        for op in case["ops"]:
            # An event that comes late counts from the last one on: time is not covered twice.
            now = max(at_s, op["t_ms"] / 1000)
            known = windows.cover(known, at_s, now, float(in_flight), LONG)
            at_s = now
            match op["op"]:
                case "in" | "proxied_in":
                    in_flight += 1
                case "out" | "proxied_out":
                    in_flight -= 1
                case "report":
                    reports += 1
                    average = windows.average(known, math.floor(now), LONG)
                    if average is None:
                        # Of no time at all Knative says 0. Here there is no average, and the number itself stands in.
                        assert op["expected_average_concurrency"] == 0, (case["id"], op)
                        if in_flight:
                            account.explain("an-instant-is-no-zero")
                    else:
                        assert average == pytest.approx(op["expected_average_concurrency"], abs=1e-6), (case["id"], op)
                    known = ()
    account.close("knative-request-stats (reports)", reports, {"an-instant-is-no-zero": 341})

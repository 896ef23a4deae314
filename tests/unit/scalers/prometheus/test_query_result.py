"""Answers that the recorded cases of KEDA do not hold: large, deep, of the wrong type."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scaler.ports.errors import SourceRejected, SourceUnavailable
from scalers.prometheus.query_result import refusal_of, value_of


def body(*sample: Any) -> bytes:
    return json.dumps({"data": {"resultType": "vector", "result": [{"metric": {}, "value": sample}]}}).encode()


@pytest.mark.parametrize(("text", "value"), [("1e308", 1e308), ("-0.5", -0.5), ("9" * 30, float("9" * 30)), ("0", 0)])
def test_a_value_is_its_number(text: str, value: float) -> None:
    assert value_of(body(1, text), ignore_null_values=True) == value


@pytest.mark.parametrize(
    "answer",
    [
        body(1, 7),
        body(1, "1e999"),
        body(1, " 7"),
        body(1, "seven"),
        body(1, ["7"]),
        body(1),
        b'{"data": {"result": [{"value": "7"}]}}',
        b'{"data": {"result": "7"}}',
        b'{"data": []}',
        b"[]",
        b"<html>",
        b"\xff",
        b'{"data": {"result": [' + b'{"value": [1, "1"]},' * 1000 + b"{}]}}",
        b'{"data": {"result": ' + b"[" * 100_000,
        b'{"data": {"result": [{"value": [1, "7"]}]}',
    ],
)
def test_what_is_no_single_series_is_rejected_whatever_null_values_are(answer: bytes) -> None:
    for ignored in (True, False):
        with pytest.raises(SourceRejected):
            value_of(answer, ignore_null_values=ignored)


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "inf"])
def test_what_is_not_finite_is_null(text: str) -> None:
    assert value_of(body(1, text), ignore_null_values=True) == 0
    with pytest.raises(SourceUnavailable):
        value_of(body(1, text), ignore_null_values=False)


def test_a_refusal_is_in_the_server_s_words_and_short() -> None:
    assert refusal_of(b'{"status":"error","error":"parse error:\\n no"}') == "parse error: no"
    assert len(refusal_of(json.dumps({"error": "x" * 9000}).encode())) == 300
    assert refusal_of(b"<html>") == refusal_of(b'{"error": 5}') == "it does not say why"


def test_a_range_vector_has_no_value() -> None:
    matrix = b'{"data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "7"], [2, "8"]]}]}}'
    assert value_of(matrix, ignore_null_values=True) == 0
    with pytest.raises(SourceUnavailable):
        value_of(matrix, ignore_null_values=False)

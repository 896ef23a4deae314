"""From the answer to an instant query to a number, by KEDA's rules."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from scaler.ports.errors import SourceRejected, SourceUnavailable

# What KEDA gives for a sample whose value is null.
_NULL_VALUE = -1.0
_MAX_TEXT = 300


class _Series(BaseModel):
    value: list[Any] | None = None


class _Data(BaseModel):
    result: list[_Series | None] | None = None


class _Answer(BaseModel):
    data: _Data | None = None


class _Refusal(BaseModel):
    error: str = ""


_ANSWER = TypeAdapter(_Answer | None)


def value_of(body: bytes, *, ignore_null_values: bool) -> float:
    """Return the value of the one series.

    Args:
        body: What the server answered.
        ignore_null_values: No series, no value, NaN and infinity are 0 instead of an error.

    Raises:
        SourceUnavailable: There is no value, now.
        SourceRejected: There are several series, or it is no answer to an instant query of a vector.
    """
    try:
        answer = _ANSWER.validate_json(body)
    except ValidationError:
        raise SourceRejected("the answer is no instant vector; a scalar can be made one by vector()") from None
    series = (answer and answer.data and answer.data.result) or []
    if len(series) > 1:
        raise SourceRejected(f"the query gives {len(series)} series, expected one (as sum() does)")
    sample = (series[0].value if series and series[0] else None) or []
    value = _number(sample) if sample else math.nan
    if math.isfinite(value):
        return value
    if ignore_null_values:
        return 0.0
    raise SourceUnavailable(f"the query gives {'no finite value' if sample else 'nothing'} (ignoreNullValues is false)")


def refusal_of(body: bytes) -> str:
    """Return why Prometheus refused a query, in its own words."""
    try:
        reason = _Refusal.model_validate_json(body).error
    except ValidationError:
        reason = ""
    return " ".join(reason.split())[:_MAX_TEXT] or "it does not say why"


def _number(sample: list[Any]) -> float:
    """Return the value of a sample, which is its time and its value."""
    if len(sample) == 1:
        raise SourceRejected("the answer holds a time without a value")
    value = sample[1]
    if value is None:
        return _NULL_VALUE
    if isinstance(value, str) and value == value.strip():
        with suppress(ValueError):
            number = float(value)
            # A number too large for a float is an error, as in Go; infinity has a name.
            if math.isfinite(number) or "n" in value.lower():
                return number
    raise SourceRejected("the answer holds a value that is no number")

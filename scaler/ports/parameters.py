"""Types of trigger parameters as KEDA reads them from a manifest's text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Never

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_INT64 = range(-(2**63), 2**63)


def _boolean(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.strip() in _BOOLEANS:
        return _BOOLEANS[given.strip()]
    raise ValueError("expected true or false")


def _integer(given: Any) -> int:
    number = None
    if isinstance(given, int) and not isinstance(given, bool):
        number = given
    elif isinstance(given, str) and _INTEGER.fullmatch(given.strip()):
        number = int(given)
    if number is None or number not in _INT64:
        raise ValueError("expected a whole number")
    return number


def _float(given: Any) -> float:
    number = math.nan
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if is_number or (isinstance(given, str) and _FLOAT.fullmatch(given.strip())):
        # An int may be too large for a float.
        with suppress(OverflowError):
            number = float(given)
    if not math.isfinite(number):
        raise ValueError("expected a number")
    return number


def _positive_float(number: float) -> float:
    if number <= 0:
        raise ValueError("expected a number above 0")
    return number


def _pairs(given: Any) -> dict[str, str]:
    if isinstance(given, Mapping):
        given = ",".join(f"{name}={value}" for name, value in given.items())
    pairs = [entry.split("=") for entry in given.split(",")] if isinstance(given, str) else [[]]
    if any(len(pair) != 2 for pair in pairs):  # noqa: PLR2004 - a name and a value
        raise ValueError("expected name=value, several separated by commas, with no other = or comma in them")
    return {name.strip(): value.strip() for name, value in pairs}


def _positive(number: int) -> int:
    if number <= 0:
        raise ValueError("expected a whole number above 0")
    return number


def _not_negative(number: int) -> int:
    if number < 0:
        raise ValueError("expected a whole number, not below 0")
    return number


@dataclass(frozen=True, slots=True)
class Refused:
    """Marks a parameter that KEDA has and this scaler has not: refused with the reason instead of as unknown.

    `unfit: Annotated[SkipJsonSchema[None], Refused("it belongs to ...")] = Field(None, validation_alias="unfit")`

    Attributes:
        reason: Why, or what to use instead.
    """

    reason: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let every given value be an error."""
        return core_schema.no_info_before_validator_function(self._refuse, handler(source))

    def _refuse(self, _: Any) -> Never:
        raise ValueError(self.reason)


Boolean = Annotated[bool, BeforeValidator(_boolean, json_schema_input_type=bool | str)]
"""A bool, or text that Go's `strconv.ParseBool` takes (1, t, true, 0, f, false, ...)."""

Integer = Annotated[int, BeforeValidator(_integer, json_schema_input_type=int | str)]
"""An int of 64 bits, or its decimal digits; no fractions, exponents or leading zeros."""

PositiveInteger = Annotated[Integer, AfterValidator(_positive)]
"""An Integer above 0, such as a target, by which values are divided."""

NotNegativeInteger = Annotated[Integer, AfterValidator(_not_negative)]
"""An Integer from 0."""

Float = Annotated[float, BeforeValidator(_float, json_schema_input_type=float | str)]
"""A finite float, or its decimal digits with or without an exponent."""

PositiveFloat = Annotated[Float, AfterValidator(_positive_float)]
"""A Float above 0, such as a target, by which values are divided."""

Pairs = Annotated[dict[str, str], BeforeValidator(_pairs, json_schema_input_type=str)]
"""Names with values as text: `name=value,name=value`."""

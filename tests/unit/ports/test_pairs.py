"""Pairs in trigger parameters are read as KEDA reads them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from scaler.ports.parameters import Pairs


def test_pairs_are_separated_by_commas() -> None:
    assert TypeAdapter(Pairs).validate_python(" a=1, b = x y ,c=") == {"a": "1", "b": "x y", "c": ""}
    assert TypeAdapter(Pairs).validate_python({"a": "1"}) == {"a": "1"}


@pytest.mark.parametrize("given", ["a", "a=1,", "a=1,b", "a=b=c", "", 7, {"a": "1,b"}])
def test_anything_else_is_no_pairs(given: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Pairs).validate_python(given)

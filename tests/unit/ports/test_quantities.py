"""Quantities are read as Kubernetes reads them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from scaler.ports.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+3", "3"),
        ("-2", "-2"),
        ("100m", "0.1"),
        ("3u", "0.000003"),
        ("7n", "0.000000007"),
        ("2k", "2000"),
        ("1M", "1000000"),
        ("1E", "1000000000000000000"),
        ("1Ki", "1024"),
        ("0.5Gi", "536870912"),
        ("1e3", "1000"),
        ("1E-3", "0.001"),
        ("99999999999999999999", "99999999999999999999"),
    ],
)
def test_a_quantity_has_its_value(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", " ", ".", "-", "1K", "1ki", "m", "1 k", "1e", "1e9999", "NaN", "inf", "1_000", "0x1", "٣"]
)
def test_anything_else_is_none(text: str) -> None:
    assert parse_quantity(text) is None

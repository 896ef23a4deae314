"""Quantities as Kubernetes and Azure write them: `0.5Gi`, `500m`."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(m|k|[KMGTPE]i?)?")
_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(1000),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("KMGTPE", start=1) if letter != "K"},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}


def parse_quantity(text: str) -> Decimal | None:
    """Return a quantity's value, None when it is not one; never negative."""
    match = _QUANTITY.fullmatch(text)
    if match is None or (match[2] or "") not in _FACTORS:
        return None
    return Decimal(match[1]) * _FACTORS[match[2] or ""]

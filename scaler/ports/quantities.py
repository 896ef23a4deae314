"""Quantities as Kubernetes and Azure write them: `0.5Gi`, `500m`, `-1.5`, `2e3`."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,20})?|\.[0-9]{1,20}))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,2}))?",
    re.ASCII,
)
_FACTORS: dict[str | None, Decimal] = {
    None: Decimal(1),
    **{letter: Decimal(1000) ** -power for power, letter in enumerate("mun", start=1)},
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}


def parse_quantity(text: str) -> Decimal | None:
    """Return a quantity's value, None when it is not one."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    return Decimal(match[1]).scaleb(int(match[3] or 0)) * _FACTORS[match[2]]

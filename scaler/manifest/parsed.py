"""What texts were parsed to before, so that an edit costs the parsing of what was edited."""

from __future__ import annotations

import pickle
from typing import Any, TypeAlias

# The line and the column, counted from 1, where a document begins in its text, and what it holds.
Part: TypeAlias = tuple[int, int, Any]


class Parsed:
    """The documents of the texts that were asked for in the last two rounds; for one thread at a time.

    They are kept as bytes: that is less than a tenth of the memory, nothing for the garbage collector to walk through,
    and whoever gets documents has them alone.
    """

    def __init__(self) -> None:
        self._former: dict[str, bytes] = {}
        self._latest: dict[str, bytes] = {}

    def begin(self) -> None:
        """Begin another round."""
        self._former, self._latest = self._latest, {}

    def find(self, text: str) -> list[Part] | None:
        """Return what a text was parsed to; None when that is not known."""
        packed = self._latest.get(text) or self._former.get(text)
        if packed is None:
            return None
        self._latest[text] = packed
        found: list[Part] = pickle.loads(packed)  # noqa: S301 - packed below, and never out of this process
        return found

    def keep(self, text: str, parts: list[Part]) -> None:
        """Remember what a text was parsed to."""
        self._latest[text] = pickle.dumps(parts, pickle.HIGHEST_PROTOCOL)

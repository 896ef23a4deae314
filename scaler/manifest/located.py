"""YAML values that know where they were written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from scaler.model import SourceLocation

Path = tuple[str | int, ...]


class Scalar(str):
    """Text as written; what it means (number, flag, text) is up to the field that it stands for."""

    __slots__ = ("plain",)
    plain: bool

    def __new__(cls, text: str, *, plain: bool) -> Self:
        """Remember whether the text stood without quotes."""
        scalar = super().__new__(cls, text)
        scalar.plain = plain
        return scalar

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be copied and pickled, which a keyword would prevent."""
        return _scalar, (str(self), self.plain)


def _scalar(text: str, plain: bool) -> Scalar:  # noqa: FBT001 - for pickle, which knows no keywords
    return Scalar(text, plain=plain)


class Mapping(dict[str, Any]):
    """A mapping with the (line, column) of each key and value."""

    keys_at: dict[str, tuple[int, int]]
    values_at: dict[str, tuple[int, int]]


class Sequence(list[Any]):
    """A list with the (line, column) of each item."""

    items_at: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document.

    Attributes:
        file: Where it stands.
        line: Where it begins in the file, counted from 1.
        column: The same.
        data: What it holds. Positions in it are counted without the lines above.
        above: Lines of the file above those.
    """

    file: str
    line: int
    column: int
    data: Any
    above: int = 0

    @property
    def location(self) -> SourceLocation:
        """Where it begins."""
        return SourceLocation(self.file, self.line, self.column)

    def locate(self, path: Path, *, key: bool = False) -> SourceLocation:
        """Return where the value (or its key) stands; where it does not exist, the innermost thing around it."""
        at, here = (self.line - self.above, self.column), self.data
        for depth, step in enumerate(path):
            last = depth == len(path) - 1
            if isinstance(here, Mapping) and isinstance(step, str) and step in here:
                at = (here.keys_at if key and last else here.values_at)[step]
            elif isinstance(here, Sequence) and isinstance(step, int) and step < len(here):
                at = here.items_at[step]
            else:
                break
            here = here[step]
        line, column = at
        return SourceLocation(self.file, self.above + line, column)

    def get(self, path: Path) -> Any:
        """Return what stands at a path, None when there is nothing."""
        here = self.data
        for step in path:
            if isinstance(here, Mapping) and isinstance(step, str):
                here = here.get(step)
            elif isinstance(here, Sequence) and isinstance(step, int) and step < len(here):
                here = here[step]
            else:
                return None
        return here

"""Collecting everything that is wrong, and saying it without giving a secret away."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from scaler.manifest.located import Document, Path, Scalar
from scaler.ports.errors import Problem

NOTHING = "nothing"
NOT_YET = "not supported yet"
_MAX_SHOWN = 60
_MAX_LISTED = 40


def dotted(path: Path) -> str:
    """Return `a.b[0].c`; keys with dots or brackets in them are quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif any(char in step for char in ".[]\"' ") or not step.isprintable():
            text += f"[{shorten(step)!r}]"
        else:
            text += f".{shorten(step)}"
    return text.removeprefix(".")


def missing_space(key: str) -> str:
    """Return a hint when a key swallowed its value, as in `{password:hunter2}`; such a key must not be shown."""
    if ":" in key:
        return "is a space missing after ':'?"
    return "is ':' meant instead of '='?" if "=" in key else ""


def shorten(text: str) -> str:
    """Cut a long text."""
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."


def describe(value: Any) -> str:
    """Say what stands there; only for values that cannot be secret."""
    if value is None:
        return NOTHING
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if "=" in str(value):
        return "a text with '=' that is not shown"  # such as a connection string, or a variable with its value
    if isinstance(value, Scalar) and value and value.plain and value.isprintable():
        return shorten(value)
    return repr(shorten(str(value)))


def nearest(word: str, candidates: Iterable[str]) -> str:
    """Return what a word is a near miss of, else nothing."""
    by_fold = {candidate.lower(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(word.lower()[:200], by_fold, n=1, cutoff=0.7)
    return by_fold[matches[0]] if matches else ""


def closest(word: str, candidates: Iterable[str]) -> str:
    """Return a "did you mean" for a near miss, else nothing."""
    meant = nearest(word, candidates)
    return f"did you mean {_named(meant)}?" if meant else ""


def listed(words: Iterable[str]) -> str:
    """Return the words in order, or `none`."""
    names = sorted(words)
    more = [f"and {len(names) - _MAX_LISTED} more"] if len(names) > _MAX_LISTED else []
    return ", ".join([_named(name) for name in names[:_MAX_LISTED]] + more) or "none"


def _named(name: str) -> str:
    return shorten(name) if name.isprintable() else repr(shorten(name))


@dataclass
class Report:
    """The problems of one document.

    Attributes:
        document: Where positions come from.
        problems: Shared by the documents of one run.
        broken: Paths already reported whose values are gone; nothing more is said about them or what is in them.
    """

    document: Document
    problems: list[Problem]
    broken: set[Path] = field(default_factory=set)

    def is_broken(self, path: Path) -> bool:
        """Whether the value, or something around it, was reported and dropped."""
        return any(path[:length] in self.broken for length in range(len(path) + 1))

    def shown(self, path: Path) -> str:
        """Return how a problem names a path."""
        return dotted(path)

    def worded(self, text: str) -> str:
        """Return how a problem says a text that names fields."""
        return text

    def error(
        self,
        path: Path,
        expected: str,
        *,
        found: str | None = None,
        hint: str = "",
        at_key: bool = False,
        hide_key: bool = False,
        warning: bool = False,
    ) -> None:
        """Add a problem.

        Args:
            path: Of the field.
            expected: What would be accepted.
            found: What stands there; defaults to the value, so secret fields must say something themselves.
            hint: What to do.
            at_key: The key is to blame, not the value.
            hide_key: The last part of the path may be a secret: leave it out.
            warning: It is harmless.
        """
        if self.is_broken(path):
            return
        what = describe(self.document.get(path)) if found is None else found
        location = self.document.locate(path, key=at_key)
        place = self.shown(path[:-1] if hide_key else path)
        self.problems.append(Problem(location, place, what, self.worded(expected), self.worded(hint), warning))

    def add_hint(self, path: Path, hint: str) -> None:
        """Say more about a field that was reported already."""
        for index, problem in enumerate(self.problems):
            if problem.location == self.document.locate(path) and problem.path == self.shown(path):
                self.problems[index] = replace(problem, hint=hint)

    def unchecked(self, path: Path, expected: str, subject: str, *, found: str | None = None, hint: str = "") -> None:
        """Add, as harmless, that something could not be checked because it is not here."""
        said = f"not checked: {subject} is not here"
        self.error(path, expected, found=found, hint=f"{said}; {hint}" if hint else said, warning=True)

    def warn(self, path: Path, expected: str, *, found: str | None = None, hint: str = "") -> None:
        """Add something that is harmless."""
        self.error(path, expected, found=found, hint=hint, at_key=True, warning=True)

    def missing(self, path: Path, expected: str = "a value", hint: str = "") -> None:
        """Add that something needed is not there."""
        self.error(path, expected, found=NOTHING, hint=hint)
        self.broken.add(path)

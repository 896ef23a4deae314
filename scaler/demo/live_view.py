"""Draws a demo's progress: a live picture on a terminal, a line whenever something of note changes elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.live import Live
from rich.table import Table

P = TypeVar("P")
P_contra = TypeVar("P_contra", contravariant=True)


class View(Protocol[P_contra]):
    """How the progress of one demo looks."""

    def picture(self, progress: P_contra) -> Table:
        """Return it for a terminal."""

    def line(self, progress: P_contra) -> str:
        """Return it as a line, to follow the time."""

    def noted(self, progress: P_contra) -> object:
        """Return what a new line is printed for when it changes."""

    def summarize(self, progress: P_contra) -> str:
        """Return the closing lines."""


@contextmanager
def showing(console: Console, view: View[P]) -> Iterator[Callable[[P], None]]:
    """Lend a function that draws progress."""
    if not console.is_terminal:
        yield _line_printer(console, view)
        return
    with Live(console=console, refresh_per_second=10) as live:
        yield lambda progress: live.update(view.picture(progress))


def _line_printer(console: Console, view: View[P]) -> Callable[[P], None]:
    last: object = None

    def print_change(progress: P) -> None:
        nonlocal last
        noted = view.noted(progress)
        if noted != last:
            last = noted
            console.print(view.line(progress), highlight=False, soft_wrap=True)

    return print_change

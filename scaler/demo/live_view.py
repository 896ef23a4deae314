"""Draws the demo's progress: a live picture on a terminal, a line whenever the replicas change elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from scaler.demo.burst import MESSAGES, Progress

_MOST_REPLICAS = 10


@contextmanager
def showing(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Lend a function that draws progress."""
    if not console.is_terminal:
        yield _line_printer(console)
        return
    with Live(console=console, refresh_per_second=10) as live:
        yield lambda progress: live.update(_picture(progress))


def summarize(progress: Progress) -> str:
    """Return the closing lines."""
    first = "never" if progress.first_start_s is None else f"{progress.first_start_s:.2f} s"
    return (
        f"messages sent: {progress.sent}, processed: {progress.processed}\n"
        f"peak replicas: {progress.peak}, now: {progress.replicas}\n"
        f"from message to first start: {first}; all of it: {progress.elapsed_s:.1f} s"
    )


def _picture(progress: Progress) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("queue", ProgressBar(MESSAGES, progress.queued, width=40), f"{progress.queued} messages")
    table.add_row("processed", ProgressBar(MESSAGES, progress.processed, width=40), f"{progress.processed}")
    replicas = f"{progress.replicas} ({progress.ready} ready)"
    table.add_row("replicas", ProgressBar(_MOST_REPLICAS, progress.replicas, width=40), replicas)
    table.add_row("why", progress.explanation, f"{progress.elapsed_s:.1f} s")
    return table


def _line_printer(console: Console) -> Callable[[Progress], None]:
    last = -1

    def print_change(progress: Progress) -> None:
        nonlocal last
        if progress.replicas != last:
            last = progress.replicas
            console.print(
                f"{progress.elapsed_s:5.1f} s  queue {progress.queued:3}  processed {progress.processed:3}"
                f"  replicas {progress.replicas:2}  {progress.explanation}",
                highlight=False,
                soft_wrap=True,
            )

    return print_change

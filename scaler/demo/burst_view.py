"""How the burst of messages looks while it is worked off."""

from __future__ import annotations

from rich.progress_bar import ProgressBar
from rich.table import Table

from scaler.demo.burst import MESSAGES, Progress

_MOST_REPLICAS = 10


class BurstView:
    """See `live_view.View`."""

    def picture(self, progress: Progress) -> Table:
        """See `live_view.View`."""
        table = Table.grid(padding=(0, 2))
        table.add_row("queue", ProgressBar(MESSAGES, progress.queued, width=40), f"{progress.queued} messages")
        table.add_row("processed", ProgressBar(MESSAGES, progress.processed, width=40), f"{progress.processed}")
        replicas = f"{progress.replicas} ({progress.ready} ready)"
        table.add_row("replicas", ProgressBar(_MOST_REPLICAS, progress.replicas, width=40), replicas)
        table.add_row("why", progress.explanation, f"{progress.elapsed_s:.1f} s")
        return table

    def line(self, progress: Progress) -> str:
        """See `live_view.View`."""
        return (
            f"{progress.elapsed_s:5.1f} s  queue {progress.queued:3}  processed {progress.processed:3}"
            f"  replicas {progress.replicas:2}  {progress.explanation}"
        )

    def noted(self, progress: Progress) -> object:
        """See `live_view.View`."""
        return progress.replicas

    def summarize(self, progress: Progress) -> str:
        """See `live_view.View`."""
        first = "never" if progress.first_start_s is None else f"{progress.first_start_s:.2f} s"
        return (
            f"messages sent: {progress.sent}, processed: {progress.processed}\n"
            f"peak replicas: {progress.peak}, now: {progress.replicas}\n"
            f"from message to first start: {first}; all of it: {progress.elapsed_s:.1f} s"
        )

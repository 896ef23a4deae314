"""How the demo of the ingress looks while requests are answered."""

from __future__ import annotations

from rich.progress_bar import ProgressBar
from rich.table import Table

from scaler.demo.requests import CLIENTS, MOST_REPLICAS, Progress


class RequestsView:
    """See `live_view.View`."""

    def picture(self, progress: Progress) -> Table:
        """See `live_view.View`."""
        table = Table.grid(padding=(0, 2))
        table.add_row("doing", progress.doing, f"{progress.elapsed_s:.1f} s")
        in_flight = progress.in_flight or 0.0
        table.add_row("in flight", ProgressBar(CLIENTS, min(in_flight, CLIENTS), width=40), f"{in_flight:.1f}")
        replicas = f"{progress.replicas} ({progress.ready} ready)"
        table.add_row("replicas", ProgressBar(MOST_REPLICAS, progress.replicas, width=40), replicas)
        failed = progress.tally.failure_count
        table.add_row("answered", f"{progress.tally.requests.total() - failed}", f"failed: {failed}")
        table.add_row("why", progress.explanation, "")
        return table

    def line(self, progress: Progress) -> str:
        """See `live_view.View`."""
        in_flight = "?" if progress.in_flight is None else f"{progress.in_flight:.1f}"
        return (
            f"{progress.elapsed_s:5.1f} s  {progress.doing:<20}  in flight {in_flight:>4}"
            f"  answered {progress.tally.requests.total():4}  replicas {progress.replicas}  {progress.explanation}"
        )

    def noted(self, progress: Progress) -> object:
        """See `live_view.View`."""
        return progress.doing, progress.replicas

    def summarize(self, progress: Progress) -> str:
        """See `live_view.View`."""
        first = "never" if progress.first_answer_s is None else f"{1000 * progress.first_answer_s:.0f} ms"
        held = "" if progress.held_s is None else f", of which it was held {1000 * progress.held_s:.0f} ms"
        tally = progress.tally
        return (
            f"first request, to an app at zero: answered after {first}{held}\n"
            f"requests under load: {tally.requests.total()}, failed: {tally.failure_count}\n"
            f"peak replicas: {progress.peak}, now: {progress.replicas}; all of it: {progress.elapsed_s:.1f} s"
        )

"""The demos as the command line runs them: drawn while they run, figures at the end."""

from __future__ import annotations

from rich.console import Console

from scaler.demo import burst, docker_bridge, requests
from scaler.demo.burst_view import BurstView
from scaler.demo.live_view import showing
from scaler.demo.requests_view import RequestsView


def show_burst(*, docker: bool) -> None:
    """Show a burst of messages, worked off by local processes or by containers.

    Raises:
        DemoFailed: Something that it is to show did not happen.
        NoEngine: It is to run in containers, and no engine answers.
    """
    console, view = Console(), BurstView()
    with showing(console, view) as show:
        progress = burst.run(show, engine=docker_bridge.find() if docker else None)
    console.print(view.summarize(progress), highlight=False, soft_wrap=True)


def show_requests() -> None:
    """Show requests to an app that goes from zero to several replicas and back.

    Raises:
        DemoFailed: Something that it is to show did not happen.
    """
    console, view = Console(), RequestsView()
    with showing(console, view) as show:
        progress = requests.run(show)
    console.print(view.summarize(progress), highlight=False, soft_wrap=True)

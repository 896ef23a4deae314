"""What the commands share: their options, and how errors become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from scaler.ports.errors import ConfigError, InvalidManifest, InvalidTrace, ScalerError
from scaler.printable import printable_lines

EXIT_FAILED = 1
EXIT_CONFIG = 2


# Wider than any row: a pipe has no width, and who reads from one wants a row on a line.
_PIPE_WIDTH = 10_000


class ActuatorChoice(StrEnum):
    """What runs the replicas."""

    AUTO = "auto"
    DOCKER = "docker"
    PROCESS = "process"


class LogLevel(StrEnum):
    """The least level of log lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Format(StrEnum):
    """How a simulation is printed."""

    JSONL = "jsonl"
    TABLE = "table"


def default_state_dir() -> Path:
    """Return the state dir that is used when none is given: the system's for root, the user's otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/scaler")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "scaler"


Manifests = Annotated[
    list[Path] | None,
    typer.Argument(help="Manifest files, or folders of them; with --compose none are needed.", metavar="[PATH]..."),
]
Compose = Annotated[bool, typer.Option("--compose", help="Services of Docker Compose, as their labels scaler.* say.")]
StateDir = Annotated[
    Path,
    typer.Option(envvar="SCALER_STATE_DIR", default_factory=default_state_dir, help="The service's memory."),
]
Address = Annotated[
    str | None, typer.Option(help="HOST:PORT of the service's API; found through the state dir when not given.")
]
KedaMetrics = Annotated[
    bool, typer.Option("--keda-metrics", help="Serve KEDA's metrics as well, for dashboards made for KEDA.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Warnings about manifests are errors.")]


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Exit with 2 for what the operator must edit, with 1 for what failed; the text goes to standard error."""
    try:
        yield
    except (InvalidManifest, InvalidTrace) as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(EXIT_CONFIG) from error
    except ConfigError as error:
        typer.echo(printable_lines(f"error: {error}"), err=True)
        raise typer.Exit(EXIT_CONFIG) from error
    except ScalerError as error:
        typer.echo(printable_lines(f"error: {error}"), err=True)
        raise typer.Exit(EXIT_FAILED) from error


def show_table(table: Table) -> None:
    """Print a table with no word left out: folded to a terminal, a row on each line into a pipe or a file."""
    for column in table.columns:
        column.overflow = "fold"
    unlimited = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    Console(width=_PIPE_WIDTH if unlimited else None).print(table)


def shown_default(default: object) -> str:
    """Return a parameter's default as manifests have it; nothing for None."""
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)

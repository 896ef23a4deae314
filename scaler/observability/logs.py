"""Log set-up: readable on a terminal, JSON lines otherwise."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TextIO, cast

import structlog


class _Lossy:
    """Standard error, which drops what cannot be written: a full disk or a closed pipe must not stop the service."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure(*, level: str = "info", json_lines: bool | None = None) -> None:
    """Send all logs to standard error.

    Args:
        level: The least level that is shown.
        json_lines: One JSON object a line; None means when standard error is no terminal.
    """
    if json_lines is None:
        json_lines = not sys.stderr.isatty()
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer: list[structlog.typing.Processor]
    # Tracebacks without local variables: those may hold secrets.
    if json_lines:
        tracebacks = structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        )
        renderer = [tracebacks, structlog.processors.JSONRenderer()]
    else:
        renderer = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=json_lines),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy())),
    )
    # Libraries log through the standard module; only what an operator can act on is let through.
    logging.basicConfig(level=max(threshold, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s")

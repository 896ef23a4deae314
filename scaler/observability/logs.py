"""Log set-up: readable on a terminal, JSON lines otherwise."""

from __future__ import annotations

import contextlib
import logging
import sys
from io import StringIO
from textwrap import indent
from typing import Any, TextIO, cast

import structlog

from scaler.printable import printable, printable_lines


class _Lossy:
    """Standard error, which drops what cannot be written: a full disk or a closed pipe must not stop the service."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


class _Printable(logging.Formatter):
    """What libraries log: one line for each message, whatever somebody outside put into it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the standard library's name
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return _indented(super().formatException(ei))


def _indented(traceback: str) -> str:
    """Return it so that no line of an exception's text can pass for an event."""
    return indent(printable_lines(traceback), "  ")


class _Quoted:
    """A text that the renderer is to show as Python writes it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _printable_values(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Keep each event on its line: workloads, sources and containers have names and texts of others' making.

    What is no text is shown by its `repr`, which is printable.
    """
    return {
        key: _Quoted(value) if isinstance(value, str) and not value.isprintable() else value
        for key, value in event.items()
    }


def _traceback(to: TextIO, error: structlog.typing.ExcInfo) -> None:
    text = StringIO()
    structlog.dev.plain_traceback(text, error)
    to.write(_indented(text.getvalue()))


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
        renderer = [_printable_values, structlog.dev.ConsoleRenderer(exception_formatter=_traceback)]
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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Printable("%(name)s: %(message)s"))
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[handler])

"""Text from outside on a terminal or in a log line: no control character in it ends the line or colours the screen."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return the text on one line, with what cannot be printed written out, such as `\x1b` and `\n`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def printable_lines(text: str) -> str:
    """Return the same for a text whose own line breaks are meant, such as a traceback."""
    return "\n".join(printable(line) for line in text.split("\n"))

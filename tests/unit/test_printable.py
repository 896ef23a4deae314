"""Text from outside stays on its line."""

from __future__ import annotations

import pytest

from scaler.printable import printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ünïcode 'is' fine", "Ünïcode 'is' fine"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x07\x7f\x85", "\\x1b[31mred\\x07\\x7f\\x85"),
        ("\u2028\u202e\ud800", "\\u2028\\u202e\\ud800"),
    ],
)
def test_what_cannot_be_printed_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_line_breaks_that_are_meant_stay() -> None:
    assert printable_lines("a\n  \x1bb\n") == "a\n  \\x1bb\n"

"""Makes broken texts of good ones: bytes and lines that are changed, moved, doubled and lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

# What parsers trip over: YAML's own signs, numbers without a bound, names of no number, bytes that are no text.
PIECES: tuple[bytes, ...] = (
    *(b"", b"null", b"[]", b"{}", b"- ", b"\n", b": ", b"\t", b"'", b'"', b"&a ", b"*a", b"<<: ", b"---\n", b"...\n"),
    *(b"!x ", b"!!python/object:os.system ", b"%YAML 9.9\n", b"|", b">", b"#", b"? ", b"[[", b"{a: ", b"}", b"]", b","),
    *(b"9" * 20, b"9" * 5000, b"-1", b"1e999", b".nan", b"NaN", b"-.inf", b"Infinity", b"0x7f", b"1_000", b"yes"),
    *(b"\x00", b"\x07", b"\x1b[31m", b"\r", b"\x7f", b"\x85", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80"),
    *("é".encode(), "\u2028".encode(), "\u202e".encode(), "\U0001f600".encode(), "\ufeff".encode(), "٣".encode()),
    *(b"${env:FUZZ_SECRET}", b"${file:secret}", b"${env:", b"${file:../../etc/passwd}", b"../", b"a" * 5000),
)
# Most texts are changed once: what is broken all over is refused by its first line.
_COUNTS = (1, 1, 1, 2, 3, 5)

Mutation = Callable[[Random, bytes], bytes]


def mutated(random: Random, text: bytes, others: Sequence[bytes]) -> bytes:
    """Return a text with some changes; parts of others may be put in."""
    for _ in range(random.choice(_COUNTS)):
        spliced = random.random() < 0.1
        text = splice(random, text, random.choice(others)) if spliced else random.choice(ALL)(random, text)
    return text


def splice(random: Random, text: bytes, other: bytes) -> bytes:
    """Put a part of another text in."""
    start, end = _span(random, other, 400)
    at = random.randint(0, len(text))
    return text[:at] + other[start:end] + text[at:]


def _flip(random: Random, text: bytes) -> bytes:
    if not text:
        return text
    changed = bytearray(text)
    changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _put_in(random: Random, text: bytes) -> bytes:
    start, end = _span(random, text, 12)
    return text[:start] + random.choice(PIECES) + text[end:]


def _cut_out(random: Random, text: bytes) -> bytes:
    start, end = _span(random, text, 60)
    return text[:start] + text[end:]


def _cut_off(random: Random, text: bytes) -> bytes:
    return text[: random.randint(0, len(text))]


def _double(random: Random, text: bytes) -> bytes:
    start, end = _span(random, text, 120)
    return text[:end] + text[start:end] * random.choice((1, 2, 50)) + text[end:]


def _swap_lines(random: Random, text: bytes) -> bytes:
    lines = text.split(b"\n")
    a, b = random.randrange(len(lines)), random.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def _indent_line(random: Random, text: bytes) -> bytes:
    lines = text.split(b"\n")
    at = random.randrange(len(lines))
    lines[at] = random.choice((b" ", b"  ", b"\t", b"- ")) + lines[at] if random.random() < 0.5 else lines[at].lstrip()
    return b"\n".join(lines)


def _other_value(random: Random, text: bytes) -> bytes:
    """Give the value of one line something else."""
    lines = text.split(b"\n")
    at = random.randrange(len(lines))
    key, colon, _ = lines[at].partition(b": ")
    lines[at] = key + b": " + random.choice(PIECES) if colon else lines[at]
    return b"\n".join(lines)


def _span(random: Random, text: bytes, longest: int) -> tuple[int, int]:
    start = random.randint(0, len(text))
    return start, min(len(text), start + random.randint(0, longest))


ALL: tuple[Mutation, ...] = (
    *(_flip, _put_in, _put_in, _cut_out, _cut_off, _double, _swap_lines, _indent_line, _other_value, _other_value),
)

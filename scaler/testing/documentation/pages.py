"""What a page in Markdown holds that can be checked: commands with their output, files, links and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^ *```(?P<language>[a-z]*)")
_SAVED_AS = re.compile(r"\b[Ss]ave (?:it|this) as `(?P<name>[^`]+)`[^`]*:$")
_HEREDOC = re.compile(r"<<'?(?P<end>[A-Z]+)'?")
_EXIT_CODE = re.compile(r"# exit code (?P<code>\d+)$")
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True, slots=True)
class Command:
    """A line that begins with `$ ` in a console block, and what the page says it prints.

    Attributes:
        line: Where it stands in the page.
        text: For the shell; several lines when it ends in a backslash or has a here-document.
        expected: Lines of output; none when the page shows none.
        exit_code: 0 unless the command says `# exit code N`.
    """

    line: int
    text: str
    expected: tuple[str, ...] = ()
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A block after a line that says "Save this as `NAME`:"."""

    line: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    line: int
    language: str
    lines: tuple[str, ...]
    before: str


def blocks(text: str) -> Iterator[Block]:
    """Return the fenced blocks of a page, in order."""
    inside: list[str] | None = None
    first, language, before = 0, "", ""
    for number, line in enumerate(text.splitlines(), 1):
        match = _FENCE.match(line)
        if inside is None and match:
            inside, first, language = [], number + 1, match["language"]
        elif inside is not None and match:
            yield Block(first, language, tuple(inside), before)
            inside = None
        elif inside is not None:
            inside.append(line)
        elif line.strip():
            before = line


def steps(text: str) -> Iterator[Command | SavedFile]:
    """Return what a reader of a page does, in order: save files, and type commands."""
    for block in blocks(text):
        if block.language == "console":
            yield from _commands(block)
        elif saved := _SAVED_AS.search(block.before):
            yield SavedFile(block.line, saved["name"], "\n".join(block.lines) + "\n")


def _commands(block: Block) -> Iterator[Command]:
    lines = list(enumerate(block.lines, block.line))
    while lines:
        number, line = lines.pop(0)
        if not line.startswith("$ "):
            raise ValueError(f"line {number}: a console block begins with a command, after `$ `")
        parts = [line.removeprefix("$ ")]
        while parts[-1].endswith("\\"):
            parts.append(lines.pop(0)[1])
        if heredoc := _HEREDOC.search(parts[0]):
            while parts[-1] != heredoc["end"]:
                parts.append(lines.pop(0)[1])
        expected = []
        while lines and not lines[0][1].startswith("$ "):
            expected.append(lines.pop(0)[1])
        text = "\n".join(parts)
        exit_code = _EXIT_CODE.search(text)
        yield Command(number, text, tuple(expected), int(exit_code["code"]) if exit_code else 0)


def links(text: str) -> Iterator[str]:
    """Return the targets of links outside of blocks and code, in order; addresses of the web are left out."""
    fenced = False
    for line in text.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            for match in _LINK.finditer(_CODE.sub("", line)):
                if "://" not in match["target"] and not match["target"].startswith("mailto:"):
                    yield match["target"]


def anchors(text: str) -> set[str]:
    """Return the anchors that a forge makes of a page's headings."""
    found: dict[str, int] = {}
    fenced = False
    for line in text.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (match := re.match(r"#+ (.*)", line)):
            slug = re.sub(r"[^\w\- ]", "", match[1].strip().lower()).replace(" ", "-")
            found[slug] = found.get(slug, -1) + 1
    return {f"{slug}-{number}" if number else slug for slug, count in found.items() for number in range(count + 1)}


def documents(root: Path) -> list[Path]:
    """Return the pages of a checkout: its README, and all below docs/."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]

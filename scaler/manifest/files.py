"""Which files hold manifests, and reading them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scaler.manifest.located import Document
from scaler.manifest.parsed import Parsed
from scaler.manifest.regular_file import read_regular
from scaler.manifest.yaml_documents import Flaw, parse

# About two thousand workloads, for which the parser needs some five seconds.
MAX_FILE_BYTES = 1024 * 1024
_SUFFIXES = frozenset({".yaml", ".yml"})
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class ManifestFiles:
    """The files and folders that were asked for.

    Attributes:
        parsed: What need not be parsed again; None parses everything.
        visited: Every file and folder, whether it could be read or not.
    """

    parsed: Parsed | None = None
    visited: list[Path] = field(default_factory=list)

    def read(self, paths: Sequence[Path]) -> Iterator[tuple[str, Document | Flaw]]:
        """Yield file names with the documents in them, and with everything wrong with a file."""
        for path in paths:
            for file in self._expand(path):
                if isinstance(file, Flaw):
                    yield str(path), file
                elif file not in self.visited:
                    self.visited.append(file)
                    for part in _parse_file(file, self.parsed):
                        yield str(file), part

    def _expand(self, path: Path) -> Iterator[Path | Flaw]:
        if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where a parent may not be entered
            yield path
            return
        self.visited.append(path)
        try:
            found = [file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES]
        except OSError as error:
            yield Flaw(1, 1, error.strerror or "an error", "a folder that can be read")
            return
        files = sorted(file for file in found if not os.path.isdir(file))  # noqa: PTH112 - as above
        if not files:
            yield Flaw(1, 1, "no manifest in the folder", "*.yaml or *.yml files")
        yield from files


def _parse_file(file: Path, parsed: Parsed | None) -> Iterator[Document | Flaw]:
    try:
        content = read_regular(file, MAX_FILE_BYTES + 1)
    except OSError as error:
        yield Flaw(1, 1, error.strerror or "an error", "a file that can be read")
        return
    if len(content) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 1024**2
        yield Flaw(1, 1, "a larger file", f"at most {limit} MiB", "split it into several files")
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1
        hint = "it seems to be UTF-16" if content.startswith(_UTF_16_MARKS) else ""
        yield Flaw(line, column, "bytes that are not UTF-8", "UTF-8 text", hint)
        return
    parts = list(parse(str(file), text, parsed))
    yield from parts or [Flaw(1, 1, "no document", "a manifest", "the file is ignored", warning=True)]

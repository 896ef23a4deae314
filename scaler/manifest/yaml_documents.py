"""YAML text to documents, with a clear answer to everything that YAML allows and manifests do not need."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from scaler.manifest.located import Document, Mapping, Path, Scalar, Sequence
from scaler.manifest.parsed import Parsed, Part

MAX_DEPTH = 64
MAX_DOCUMENTS = 10_000
# Nodes that aliases and merge keys may add to one document: far more than a manifest needs, far less than a bomb.
MAX_ALIASED_NODES = 50_000

_CORE_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge"})
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_ONLY_DIRECTIVES = re.compile(r"(?:[ \t]*(?:#.*)?\n|%.*\n)*\Z")
# What the parser quotes of the text may be a part of a secret; single characters and its own <token names> are not.
_QUOTED = re.compile(r"""('(?:<[a-z ]+>|.|\\.{1,3})')|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")
_EXPECTED = re.compile(r"expected (.+?),? but (?:found|got) (.+)")


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a text, or a part of it, cannot be used."""

    line: int
    column: int
    found: str
    expected: str
    hint: str = ""
    path: Path = ()
    warning: bool = False


def parse(file: str, text: str, parsed: Parsed | None = None) -> Iterator[Document | Flaw]:
    """Yield every document and everything wrong with the text; a broken document does not hide the others.

    A `---` at the start of a line always separates documents, so each part is parsed on its own: not at all where
    `parsed` knows it, wherever it stands now. What is wrong is found anew each time.
    """
    starts = [match.start() for match in _SEPARATOR.finditer(text)]
    if len(starts) > MAX_DOCUMENTS:
        yield Flaw(
            1, 1, f"{len(starts)} documents", f"at most {MAX_DOCUMENTS} in a file", "split it into several files"
        )
        return
    for above, part in _parts(text, starts):
        found = parsed.find(part) if parsed else None
        if found is None:
            found, flaws = _parse_part(part, above)
            yield from flaws
            if parsed and not flaws:
                parsed.keep(part, found)
        for line, column, data in found:
            yield Document(file, above + line, column, data, above)


def _parse_part(part: str, above: int) -> tuple[list[Part], list[Flaw]]:
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH
    yaml.composer.warn_double_anchors = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = list(yaml.compose_all(part))
    except (YAMLError, ValueError, IndexError, AssertionError, AttributeError, TypeError) as error:
        # The last four: slips of the parser on odd input, such as an unknown version in %YAML.
        return [], [_syntax_flaw(error, above, part)]
    found, flaws = [], []
    for node in nodes:
        if isinstance(node, ScalarNode) and node.value == "":
            continue
        building = _Building(above)
        data = building.convert(node, (), aliased=False)
        flaws += building.flaws
        if not building.exceeded:
            found.append((*building.at(node), data))
    return found, flaws


def _parts(text: str, starts: list[int]) -> Iterator[tuple[int, str]]:
    if starts and _ONLY_DIRECTIVES.match(text[: starts[0]]):
        starts[0] = 0
    if not starts or starts[0] > 0:
        starts.insert(0, 0)
    line = 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield line, text[start:end]
        line += text.count("\n", start, end)


def _syntax_flaw(error: Exception, first_line: int, part: str) -> Flaw:
    expected = "YAML"
    if isinstance(error, ReaderError):
        before = part[: error.position]
        line, column = first_line + before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        return Flaw(line, column, "a control character", "printable text")
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = (first_line + mark.line + 1, mark.column + 1) if mark else (first_line + 1, 1)
        problem = str(error.problem or "a syntax error")
        if "maximum depth" in problem:
            return Flaw(line, column, f"more than {MAX_DEPTH} levels of nesting", "a manifest")
        if "'\\t'" in problem:
            written = part.split("\n")[mark.line][: mark.column] if mark else ""
            hint = "write a space instead" if written.strip(" -") else "indent with spaces, never with tabs"
            return Flaw(line, column, "a tab", expected, hint)
        if "end of stream" in problem and "quoted" in str(error.context) and error.context_mark:
            line, column = first_line + error.context_mark.line + 1, error.context_mark.column + 1
            return Flaw(line, column, "a quote that is never closed", "the same quote at the end of the text")
        problem = _without_quotes(problem)
        if match := _EXPECTED.match(problem):
            expected, problem = match.groups()
        problem = problem.removeprefix("found ").replace("('<", "'<").replace(">',)", ">'").strip()
        hint = str(error.context or "")
        if "alias" in problem:
            hint = "an alias needs its anchor in the same document; quote a text that begins with *"
        elif "mapping values" in problem:
            hint = "quote a text that contains ': '; or is the indentation wrong?"
        return Flaw(line, column, problem, expected, _without_quotes(hint))
    return Flaw(first_line + 1, 1, "a syntax error", expected)


def _without_quotes(text: str) -> str:
    return _QUOTED.sub(lambda match: match[1] or "", text).strip()


class _Building:
    """Turns composed nodes into data, counting what aliases add."""

    def __init__(self, above: int) -> None:
        self._above = above
        self._seen: set[int] = set()
        self._open: set[int] = set()
        self._aliased = 0
        self.flaws: list[Flaw] = []
        self.exceeded = False

    @staticmethod
    def at(node: Node) -> tuple[int, int]:
        return node.start_mark.line + 1, node.start_mark.column + 1

    def convert(self, node: Node, path: Path, *, aliased: bool) -> Any:
        aliased = aliased or id(node) in self._seen
        self._seen.add(id(node))
        self._aliased += aliased
        if self._aliased > MAX_ALIASED_NODES or id(node) in self._open:
            if not self.exceeded:
                self.exceeded = True
                found = "an alias within its own anchor" if id(node) in self._open else "aliases within aliases"
                expected = f"at most {MAX_ALIASED_NODES} values made by aliases"
                self._flaw(node, path, found, expected, "write it out")
            return None
        if self.exceeded:
            return None
        if str(node.tag).removeprefix("tag:yaml.org,2002:") not in _CORE_TAGS:
            self._flaw(node, path, "a YAML tag", "a value without a tag", "quote a text that begins with !")
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        try:
            return self._collection(node, path, aliased=aliased)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: ScalarNode) -> Scalar | None:
        plain = node.style is None and str(node.tag) != "tag:yaml.org,2002:str"
        if node.style is None and node.value in _NULLS:
            return None
        return Scalar(node.value, plain=plain)

    def _collection(self, node: Node, path: Path, *, aliased: bool) -> Mapping | Sequence:
        if isinstance(node, SequenceNode):
            sequence = Sequence(
                self.convert(item, (*path, index), aliased=aliased) for index, item in enumerate(node.value)
            )
            sequence.items_at = [self.at(item) for item in node.value]
            return sequence
        mapping = Mapping()
        mapping.keys_at, mapping.values_at = {}, {}
        merged: list[Node] = []
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._flaw(key, path, "a mapping or list as a key", "a text")
            elif key.value == "<<" and key.style is None:
                merged.extend(value.value if isinstance(value, SequenceNode) else [value])
            elif key.value in mapping:
                line, column = mapping.keys_at[key.value]
                here = (*path, key.value)
                self._flaw(
                    key, here, "the key a second time", "each key once", f"first at {self._above + line}:{column}"
                )
            else:
                mapping[key.value] = self.convert(value, (*path, key.value), aliased=aliased)
                mapping.keys_at[key.value], mapping.values_at[key.value] = self.at(key), self.at(value)
        for source in merged:
            self._merge(mapping, source, path, aliased=aliased)
        return mapping

    def _merge(self, mapping: Mapping, source: Node, path: Path, *, aliased: bool) -> None:
        if not isinstance(source, MappingNode):
            self._flaw(source, path, "a merge key (<<) without a mapping", "<<: *anchor of a mapping")
            return
        data = self.convert(source, path, aliased=aliased)
        if isinstance(data, Mapping):
            for key in data.keys() - mapping.keys():
                mapping[key] = data[key]
                mapping.keys_at[key], mapping.values_at[key] = data.keys_at[key], data.values_at[key]

    def _flaw(self, node: Node, path: Path, found: str, expected: str, hint: str = "") -> None:
        line, column = self.at(node)
        self.flaws.append(Flaw(self._above + line, column, found, expected, hint, path))

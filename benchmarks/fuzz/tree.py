"""YAML as a tree that can hold what no parser would give: keys twice, numbers of any length, anchors and aliases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any, TypeAlias

from ruamel.yaml import YAML

# A list, a mapping as pairs, or a scalar as it is written.
Node: TypeAlias = "list[Node] | Pairs | str"

_LONG = "x" * 100_000
_SCALARS: tuple[str, ...] = (
    *("null", "true", "no", "0", "-1", "1.5", "1e308", "1e999", ".nan", "-.inf", "9" * 30, "9" * 5000, "-" + "9" * 400),
    *("''", "' '", '"\\0"', '"\\e[31mred\\e[0m"', '"a\\nevent=forged level=error"', '"\\u2028"', '"\\u202e"'),
    *('"\\x7f"', "é", "'٣'", "2026-01-01", "0o17", "0x1F", "1:30", "=", "'*'", "~", "!x y", "!!binary YQ==", "'a=b'"),
    *("'../../../etc/passwd'", "/etc/shadow", "/dev/zero", "'${env:FUZZ_SECRET}'", "'${file:secret}'", "'${env:}'"),
    *("'${file:/dev/zero}'", "'${file:../../../../../../etc/passwd}'", "'${file:}'", "[]", "{}", "[[]]", "[null]"),
    *(f"'{_LONG}'", "http://[::1", "http://user:fuzz-pass@h:99999/", "localhost:-1", "'host:port:port'", "'%zz'"),
    *("100m", "{a: {b: [c]}}", "'{{x}}'"),
)  # fmt: skip
_KEYS = (
    *("name", "type", "value", "metadata", "properties", "spec", "kind", "apiVersion"),
    *("''", "'a.b'", '"\\e[1m"', "~", "1"),
)
_DEEP = 200


class Pairs(list[tuple[str, Node]]):
    """A mapping whose keys may come twice."""


def read(text: str) -> list[Node]:
    """Return the documents of a good text."""
    return [_node(data) for data in YAML(typ="safe", pure=True).load_all(text)]


def write(documents: list[Node]) -> bytes:
    """Return them as YAML in block style, so that places in it mean something."""
    return "---\n".join("\n".join(_lines(document)) + "\n" for document in documents).encode("utf-8", "surrogatepass")


def mutate(random: Random, documents: list[Node]) -> None:
    """Change something in the documents."""
    holders = [holder for document in documents for holder in _holders(document)]
    if not holders:
        return
    holder = random.choice(holders)
    index = random.randrange(len(holder))
    kind = random.randrange(10)
    if kind == 0:
        del holder[index]
    elif kind == 1:
        holder.insert(random.randint(0, len(holder)), holder[index])
    elif kind == 2 and isinstance(holder, Pairs):
        holder[index] = (_other_key(random, holder[index][0]), holder[index][1])
    elif kind == 3:
        _put(holder, index, _moved(random, holders))
    elif kind == 4:
        _put(holder, index, _nested(random))
    elif kind == 5:
        _put(holder, index, _bomb(random))
    else:
        _change_scalar(random, holders)


def _change_scalar(random: Random, holders: list[list[Any]]) -> None:
    leaves = [
        (holder, index)
        for holder in holders
        for index, item in enumerate(holder)
        if isinstance(item[1] if isinstance(holder, Pairs) else item, str)
    ]
    if leaves:
        _put(*random.choice(leaves), random.choice(_SCALARS))


def _node(data: Any) -> Node:
    if isinstance(data, dict):
        return Pairs((json.dumps(str(key)), _node(value)) for key, value in data.items())
    if isinstance(data, list):
        return [_node(item) for item in data]
    return json.dumps(data) if isinstance(data, str | int | float | bool | None) else json.dumps(str(data))


def _holders(node: Node) -> Iterator[list[Any]]:
    if isinstance(node, list):
        if node:
            yield node
        for item in node:
            yield from _holders(item[1] if isinstance(node, Pairs) else item)  # type: ignore[arg-type, index]


def _put(holder: list[Any], index: int, node: Node) -> None:
    holder[index] = (holder[index][0], node) if isinstance(holder, Pairs) else node


def _other_key(random: Random, key: str) -> str:
    word = json.loads(key) if key.startswith('"') and "\\" not in key else "key"
    at = random.randint(0, len(word))
    return random.choice((*_KEYS, json.dumps(word[:at] + word[at + 1 :]), json.dumps(word[:at] + "x" + word[at:])))


def _moved(random: Random, holders: list[list[Any]]) -> Node:
    holder = random.choice(holders)
    item = random.choice(holder)
    moved: Node = item[1] if isinstance(holder, Pairs) else item
    # Written and read again: what is put into itself would have no end.
    return "\n".join(_lines(moved)) if isinstance(moved, str) else copied(moved)


def copied(node: Node) -> Node:
    """Return a tree that may be changed without the other."""
    if isinstance(node, Pairs):
        return Pairs((key, copied(value)) for key, value in node)
    return [copied(item) for item in node] if isinstance(node, list) else node


def _nested(random: Random) -> Node:
    depth = random.choice((5, 70, _DEEP))
    return random.choice(("[" * depth + "]" * depth, "{a: " * depth + "b" + "}" * depth))


def _bomb(random: Random) -> Node:
    """Return anchors and aliases that grow without a bound, or that hold themselves."""
    width, height = random.choice(((2, 5), (9, 9), (10, 30)))
    levels = ["&l0 [" + ", ".join(["lol"] * width) + "]"]
    levels += [f"&l{n} [" + ", ".join([f"*l{n - 1}"] * width) + "]" for n in range(1, height)]
    merges = ["&m0 {a: b}", *(f"&m{n} {{<<: [*m{n - 1}, *m{n - 1}], k{n}: v}}" for n in range(1, height))]
    itself = "&self [*self, {a: *self}]"
    return random.choice(("[" + ", ".join(levels) + "]", "[" + ", ".join(merges) + "]", itself))


def _lines(node: Node) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif not node:
        yield "{}" if isinstance(node, Pairs) else "[]"
    elif isinstance(node, Pairs):
        for key, value in node:
            yield from _item(f"{key}:", value)
    else:
        for item in node:
            yield from _item("-", item)


def _item(mark: str, value: Node) -> Iterator[str]:
    lines = list(_lines(value))
    if isinstance(value, str) or not value:
        yield f"{mark} {lines[0]}"
    else:
        yield mark
        yield from (f"  {line}" for line in lines)

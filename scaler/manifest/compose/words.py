"""The text of a label with several parameters: `key=value` words, or a YAML mapping."""

from __future__ import annotations

import re
import shlex
from typing import Any

from scaler.manifest import located, yaml_documents
from scaler.manifest.located import Scalar
from scaler.manifest.yaml_documents import Flaw

_WORDS = re.compile(r"[A-Za-z][\w-]*=")


class Unreadable(Exception):
    """What stands in a label and what would be accepted; the text itself may hold a secret."""

    def __init__(self, found: str, expected: str = "key=value words or a YAML mapping", hint: str = "") -> None:
        self.found = found
        self.expected = expected
        self.hint = hint
        super().__init__(found)


def parameters(text: str) -> located.Mapping:
    """Return what the text gives, by key; values with blanks in them stand in quotes.

    Raises:
        Unreadable: It is neither words nor a mapping.
    """
    text = text.strip()
    if _WORDS.match(text):
        return _from_words(text)
    found: located.Mapping = mapping(_from_yaml(text) if text else {})
    return found


def mapping(data: Any) -> Any:
    """Return data in the form that documents have, without any place in a file."""
    if isinstance(data, dict):
        found = located.Mapping((key, mapping(value)) for key, value in data.items())
        found.keys_at = found.values_at = dict.fromkeys(found, (0, 0))
        return found
    if isinstance(data, list):
        items = located.Sequence(map(mapping, data))
        items.items_at = [(0, 0)] * len(items)
        return items
    return data


def _from_words(text: str) -> located.Mapping:
    try:
        words = shlex.split(text)
    except ValueError:
        raise Unreadable("a quote that is never closed", "the same quote at the end of the value") from None
    found: dict[str, Scalar] = {}
    for number, word in enumerate(words, 1):
        key, separator, value = word.partition("=")
        if not separator or not _WORDS.match(word):
            raise Unreadable(f"word {number} without a key", "key=value", "quote a value with blanks in it")
        if key in found:
            raise Unreadable(f"the key {key!r} a second time", "each key once")
        found[key] = Scalar(value, plain=True)
    result: located.Mapping = mapping(found)
    return result


def _from_yaml(text: str) -> Any:
    data: list[Any] = []
    for part in yaml_documents.parse("", text):
        if isinstance(part, Flaw):
            raise Unreadable(part.found, part.expected, part.hint)
        if not isinstance(part.data, dict):
            raise Unreadable("a list" if isinstance(part.data, list) else "a single value")
        data.append(part.data)
    if len(data) != 1:
        raise Unreadable(f"{len(data)} YAML documents")
    return data[0]

"""From an answer to the number that `valueLocation` points at, for each format."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import gjson
from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeXml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from ruamel.yaml import YAML, MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.error import YAMLError

from scaler.ports.errors import SourceRejected, SourceUnavailable
from scaler.ports.quantities import parse_quantity

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_INDEX = re.compile(r"[0-9]{1,9}", re.ASCII)
_YAML_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_YAML_TEXT = "tag:yaml.org,2002:str"
_CHUNK_BYTES = 64 * 1024


class Format(StrEnum):
    """What an answer is written in."""

    JSON = "json"
    YAML = "yaml"
    XML = "xml"
    PROMETHEUS = "prometheus"


# What is read in a second or two, whatever stands in it: a YAML parser in Python is slow.
MAX_BYTES: Mapping[Format, int] = {
    Format.JSON: 4 * 1024 * 1024,
    Format.PROMETHEUS: 4 * 1024 * 1024,
    Format.XML: 1024 * 1024,
    Format.YAML: 64 * 1024,
}


def value_in(body: bytes, format_: Format, location: str) -> float:
    """Return the number at a location.

    Raises:
        SourceUnavailable: It is NaN or infinite, now.
        SourceRejected: There is none, or the answer is not in that format.
    """
    number = _number(_FINDERS[format_](body, location))
    if not math.isfinite(number):
        raise SourceUnavailable("the value at valueLocation is not finite")
    return number


def series_of(location: str) -> Sample:
    """Return the name and labels that a `valueLocation` in Prometheus' format asks for.

    Raises:
        ValueError: It is not of the form name{label="value"}.
    """
    sample: Sample | None
    try:
        [sample] = _samples(f"{location} 0")
    except ValueError:
        sample = None
    # With a timestamp it was a sample already.
    if sample is None or sample.timestamp is not None:
        raise ValueError('expected a series such as name{label="value"} with format prometheus')
    return sample


def _number(found: Any) -> float:
    if isinstance(found, str):
        quantity = parse_quantity(found.strip())
        if quantity is None:
            raise SourceRejected("the text at valueLocation is no number and no quantity such as 100m or 2Ki")
        return float(quantity)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return float(found)
    raise SourceRejected(f"valueLocation points at a {type(found).__name__}, expected a number or a text")


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object as gjson sees it: of a name that comes twice, the first counts."""
    return dict(reversed(pairs)) if len({name for name, _ in pairs}) != len(pairs) else dict(pairs)


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _in_json(body: bytes, location: str) -> Any:
    try:
        # Integers of any length, as floats; NaN is no JSON.
        document = json.loads(body, object_pairs_hook=_first_wins, parse_int=float, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise SourceRejected("the answer is no JSON") from None
    try:
        return gjson.get(document, location)
    except (gjson.GJSONError, ValueError, TypeError, RecursionError, re.error):
        raise _nothing_there() from None


def _in_yaml(body: bytes, location: str) -> Any:
    yaml = YAML(typ="safe", pure=True)
    try:
        # Nodes are not made objects of: aliases stay references, however often they are used.
        node = yaml.compose(body)
        for step in location.split("."):
            node = _yaml_step(node, step)
        if not isinstance(node, ScalarNode):
            raise SourceRejected("valueLocation points at a list or mapping, expected a number or a text")
        if node.tag == _YAML_TEXT:
            return node.value
        if node.tag in _YAML_NUMBERS:
            return yaml.constructor.construct_object(node)
    except (YAMLError, ValueError, RecursionError, OverflowError):
        raise SourceRejected("the answer is no YAML") from None
    raise SourceRejected("valueLocation points at neither a number nor a text")


def _yaml_step(node: Any, step: str) -> Any:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == step:
                return value
    elif isinstance(node, SequenceNode) and _INDEX.fullmatch(step) and int(step) < len(node.value):
        return node.value[int(step)]
    raise _nothing_there()


def _in_xml(body: bytes, location: str) -> Any:
    try:
        parser = SafeXml.DefusedXMLParser(forbid_dtd=True)
        # In parts, so that other threads get their turn.
        for start in range(0, len(body), _CHUNK_BYTES):
            parser.feed(body[start : start + _CHUNK_BYTES])
        root = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise SourceRejected("the answer is no XML, or has a document type, which is not read") from None
    steps = location.split(".")
    found = [root] if _local_name(root) == steps[0] else []
    for step in steps[1:]:
        if _INDEX.fullmatch(step):
            found = found[int(step) : int(step) + 1]
        else:
            found = [child for child in found[0] if _local_name(child) == step] if found else []
    if not found:
        raise _nothing_there()
    if len(found[0]):
        raise SourceRejected("valueLocation points at an element with elements in it, expected a number")
    return found[0].text or ""


def _local_name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _in_prometheus(body: bytes, location: str) -> Any:
    wanted = series_of(location)
    try:
        for line in body.decode().splitlines():
            # Most lines of an exporter are of other metrics.
            if not line.lstrip().startswith(wanted.name):
                continue
            for sample in _samples(line):
                if sample.name == wanted.name and wanted.labels.items() <= sample.labels.items():
                    return sample.value
    except ValueError:
        raise SourceRejected("the answer is not in Prometheus' text format") from None
    raise _nothing_there()


def _samples(line: str) -> list[Sample]:
    """Return the samples of a line that is no comment."""
    samples = [sample for family in text_string_to_metric_families(line.strip()) for sample in family.samples]
    if any(not _NAME.fullmatch(sample.name) for sample in samples):
        raise ValueError("a name that is none")
    return samples


def _nothing_there() -> SourceRejected:
    return SourceRejected("there is nothing at valueLocation")


_FINDERS: Mapping[Format, Callable[[bytes, str], Any]] = {
    Format.JSON: _in_json,
    Format.YAML: _in_yaml,
    Format.XML: _in_xml,
    Format.PROMETHEUS: _in_prometheus,
}

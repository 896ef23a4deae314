"""A document against its model: every unknown, unusable, missing or wrong field is reported in one go."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from scaler.manifest.fields import DocumentModel, Ignored, Needed, Refused
from scaler.manifest.located import Path, Scalar
from scaler.manifest.problems import Report, closest, describe, listed, missing_space, nearest

M = TypeVar("M", bound=DocumentModel)


def check(report: Report, model: type[M], data: Any, path: Path = ()) -> M:
    """Return the model of what is usable; what is not was reported, and is as if it had not been written."""
    usable = _prune(report, model, data, path)
    while True:
        try:
            return model.model_validate(usable)
        except ValidationError as invalid:
            for error in invalid.errors(include_url=False, include_input=False):
                usable = _drop(report, model, usable, error, path)


def expectation(error: ErrorDetails) -> str:
    """Return what would have been accepted, in words that follow "expected"."""
    return (
        error["msg"]
        .removeprefix("Value error, ")
        .removeprefix("expected ")
        .removeprefix("Input should be ")
        .split(", unable to ")[0]
        .split(", got ")[0]
    )


def _prune(report: Report, annotation: Any, value: Any, path: Path) -> Any:
    """Return a copy with only the known and usable fields, nulls left out."""
    shape = _bare(annotation)
    if get_origin(shape) is list and isinstance(value, list):
        return [_prune(report, get_args(shape)[0], item, (*path, index)) for index, item in enumerate(value)]
    if get_origin(shape) is dict and isinstance(value, dict):
        return {key: item for key, item in value.items() if item is not None}
    if not _is_model(shape) or not isinstance(value, dict):
        return value
    fields = {info.alias or name: info for name, info in shape.model_fields.items()}
    usable = {}
    for key in value.keys() - fields.keys():
        _unknown(report, path, key, fields)
    for key, item in value.items():
        here = (*path, key)
        if key in fields and item is not None and _is_usable(report, here, item, fields[key].metadata):
            usable[key] = _prune(report, fields[key].annotation, item, here)
    for key, info in fields.items():
        for marker in info.metadata:
            if isinstance(marker, Needed) and _is_absent(value.get(key), info.annotation):
                usable.pop(key, None)
                _missing(report, path, key, marker)
    return usable


def _missing(report: Report, path: Path, key: str, needed: Needed) -> None:
    if not needed.unless or not report.is_broken((*path, needed.unless)):
        report.missing((*path, key), needed.expected)


def _is_absent(value: Any, annotation: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip() and _bare(annotation) is not SecretStr)


def _unknown(report: Report, path: Path, key: str, fields: Mapping[str, FieldInfo]) -> None:
    known = [
        name for name, info in fields.items() if not any(isinstance(mark, Ignored | Refused) for mark in info.metadata)
    ]
    meant = nearest(key, fields)
    # Beside a secret, an odd key may be a secret that lost its own key.
    beside_secret = any(_bare(info.annotation) is SecretStr for info in fields.values())
    hide = bool(missing_space(key)) or (beside_secret and not (meant and key.isalpha()))
    hint = missing_space(key) or (f"did you mean {meant}?" if meant else "")
    report.error(
        (*path, key), f"one of {listed(known)}", found="an unknown field", hint=hint, at_key=True, hide_key=hide
    )
    if meant and report.document.get((*path, meant)) is None:
        # It is not missing, it is misspelt.
        report.broken.add((*path, meant))


def _is_usable(report: Report, path: Path, value: Any, metadata: list[Any]) -> bool:
    for marker in metadata:
        if isinstance(marker, Refused):
            if not marker.harmless(value):
                report.error(path, "the field to be absent", found="the field", hint=marker.reason, at_key=True)
                report.broken.add(path)
            return False
        if isinstance(marker, Ignored):
            if not marker.quiet:
                report.warn(path, "the field to be absent", found="the field", hint=f"ignored: {marker.reason}")
            return False
    return True


def _drop(report: Report, model: type[BaseModel], usable: Any, error: ErrorDetails, path: Path) -> Any:
    """Report one error of pydantic, and return the data without what caused it."""
    loc = tuple(step for step in error["loc"] if step != "[key]")
    here = (*path, *loc)
    annotation = _annotation_at(model, loc)
    value = report.document.get(here)
    expected, hint = expectation(error), ""
    if error["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        expected = "a mapping"
    elif error["type"] == "list_type":
        expected = "a list"
    choices = error.get("ctx", {}).get("choices")
    if choices and isinstance(value, str):
        hint = closest(value, choices)
    report.error(here, expected, found=_shown(value, annotation), hint=hint)
    report.broken.add(here)
    if not loc:
        return {}
    return _without(usable, loc, keep_item=_is_model(_bare(annotation)))


def _without(usable: Any, loc: Path, *, keep_item: bool) -> Any:
    *around, last = loc
    parent = usable
    for step in around:
        try:
            parent = parent[step]
        except (KeyError, IndexError, TypeError):
            return usable  # it went with an earlier error
    if isinstance(parent, dict):
        parent.pop(last, None)
    elif keep_item:
        parent[last] = {}
    else:
        return _without(usable, tuple(around), keep_item=False)
    return usable


def _shown(value: Any, annotation: Any) -> str:
    shape = _bare(annotation)
    if shape is SecretStr or shape is None:
        return describe(value) if isinstance(value, dict | list) else "a value that is not shown"
    if isinstance(value, Scalar) and (_is_model(shape) or get_origin(shape) in {list, dict}):
        return "a single value"
    return describe(value)


def _annotation_at(model: type[BaseModel], loc: Path) -> Any:
    here: Any = model
    for step in loc:
        shape = _bare(here)
        if _is_model(shape):
            fields = {info.alias or name: info.annotation for name, info in shape.model_fields.items()}
            here = fields.get(str(step))
        elif get_origin(shape) in {list, dict}:
            here = get_args(shape)[-1]
        else:
            return None
    return here


def _bare(annotation: Any) -> Any:
    """Strip `| None` and Annotated."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return _bare(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


def _is_model(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, BaseModel)

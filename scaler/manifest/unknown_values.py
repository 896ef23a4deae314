"""A scaler's configuration of which some values are not here: what holds without them is checked, the rest is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from scaler.manifest.parameters import parameters
from scaler.ports.scaler import ScalerConfig

# Together these fit nearly every parameter; where none does, its check is skipped.
_PLACEHOLDERS = ("unknown", "localhost:1", "1", "true", "http://localhost:1")
Attempt = tuple[ScalerConfig | None, list[ErrorDetails]]


def configure(
    config: type[ScalerConfig], values: Mapping[str, str], *, unknown: AbstractSet[str], more: bool
) -> Attempt:
    """Return a configuration, or what is wrong with it.

    Args:
        config: The scaler's model.
        values: By parameter.
        unknown: Those whose value is not here. The configuration has something in its place that fits.
        more: There may be further authentication parameters, which are not here.
    """
    if not unknown and not more:
        return _attempt(config, values)
    known = {name: value for name, value in values.items() if name not in unknown}
    made, errors = _attempt_with_placeholders(config, known, unknown)
    if made is not None:
        return made, []
    fields = {name: parameter.field for name, parameter in parameters(config).items()}
    given = {fields[name] for name in unknown}
    if more:
        given |= {fields[name] for name, parameter in parameters(config).items() if "A" in parameter.sources}
        given -= {fields[name] for name in known}
    whole = [error for error in errors if not error["loc"]]
    if whole:
        # What is wrong with the whole does not depend on the unknown values if it is wrong without them too.
        made, without = _attempt(config, known)
        if made is not None:
            return made, []
        said = {error["msg"] for error in without if not error["loc"] and not more}
        whole = [error for error in whole if error["msg"] in said]
    wrong = [error for error in errors if error["loc"] and fields.get(str(error["loc"][0])) not in given]
    return (None, whole + wrong) if whole or wrong else (_unchecked(config, known), [])


def _attempt(config: type[ScalerConfig], values: Mapping[str, str]) -> Attempt:
    try:
        return config.model_validate(values), []
    except ValidationError as invalid:
        return None, invalid.errors(include_url=False, include_input=False)


def _attempt_with_placeholders(
    config: type[ScalerConfig], known: Mapping[str, str], unknown: AbstractSet[str]
) -> Attempt:
    """Try until no placeholder is refused by its own field; a parameter that takes none is left out."""
    all_parameters = parameters(config)
    left = {name: _placeholders(config.model_fields[all_parameters[name].field].annotation) for name in unknown}
    chosen = {name: next(left[name]) for name in left}
    while True:
        made, errors = _attempt(config, {**known, **chosen})
        wrong = {all_parameters[name].field for error in errors if (name := _name(error)) in all_parameters}
        refused = [name for name in chosen if all_parameters[name].field in wrong]
        if not refused:
            return made, errors
        for name in refused:
            if (another := next(left[name], None)) is None:
                del chosen[name]
            else:
                chosen[name] = another


def _name(error: ErrorDetails) -> str:
    return str(error["loc"][0]) if error["loc"] else ""


def _placeholders(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    for part in get_args(annotation):
        if get_origin(part) is Literal:
            yield from map(str, get_args(part))
    yield from _PLACEHOLDERS


def _unchecked(config: type[ScalerConfig], known: Mapping[str, str]) -> ScalerConfig:
    """Return a configuration of the known values, each as its field has it; the whole is not checked."""
    all_parameters = parameters(config)
    converted = {}
    for name, value in known.items():
        annotation = config.model_fields[all_parameters[name].field].rebuild_annotation()
        converted[name] = TypeAdapter[Any](annotation).validate_python(value)
    return config.model_construct(**converted)

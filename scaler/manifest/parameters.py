"""What a scaler's configuration may be given: names and sources, read from its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import AliasChoices, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from scaler.ports.parameters import Refused
from scaler.ports.scaler import ScalerConfig

FROM_ENV = "FromEnv"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One name of one field.

    Attributes:
        name: As manifests write it.
        field: What the model calls it.
        sources: Some of M (metadata), E (`<name>FromEnv`) and A (authentication parameter).
        secret: The value must never be shown.
        refused: Why nothing may be given for it (`scaler.ports.parameters.Refused`); empty when something may.
    """

    name: str
    field: str
    sources: str
    secret: bool
    refused: str


def parameters(config: type[ScalerConfig]) -> Mapping[str, Parameter]:
    """Return all parameters by name."""
    found = {}
    for field_name, info in config.model_fields.items():
        for name in _names(field_name, info):
            refused = next((mark.reason for mark in info.metadata if isinstance(mark, Refused)), "")
            found[name] = Parameter(name, field_name, _sources(info), _is_secret(info.annotation), refused)
    return found


def metadata_keys(known: Mapping[str, Parameter]) -> list[str]:
    """Return what may stand in a trigger's metadata."""
    usable = [parameter for parameter in known.values() if not parameter.refused]
    plain = [parameter.name for parameter in usable if "M" in parameter.sources]
    return plain + [f"{parameter.name}{FROM_ENV}" for parameter in usable if "E" in parameter.sources]


def _names(field_name: str, info: FieldInfo) -> list[str]:
    alias = info.validation_alias or info.alias
    if isinstance(alias, str):
        return [alias]
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [field_name]


def _sources(info: FieldInfo) -> str:
    extra = info.json_schema_extra
    declared = extra.get("sources") if isinstance(extra, Mapping) else None
    return declared if isinstance(declared, str) else "M"


def _is_secret(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _is_secret(get_args(annotation)[0])
    return annotation in {SecretStr, SecretBytes} or any(_is_secret(part) for part in get_args(annotation))

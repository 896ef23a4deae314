"""The vocabulary in which documents are modelled: scalar types, and what becomes of fields that we do not use."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetJsonSchemaHandler, SecretStr, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from scaler.manifest.located import Scalar
from scaler.manifest.problems import NOT_YET

# az (PyYAML) and KEDA's tools (go-yaml) read YAML 1.1, where these are truth values too.
_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE][-+]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Refused:
    """Running without this field would be wrong.

    Attributes:
        reason: Why it cannot be used.
        harmless: Values that mean the same as leaving it out.
        schema: The JSON Schema of such values; None when there are none.
    """

    reason: str = NOT_YET
    harmless: Callable[[Any], bool] = lambda _: False
    schema: JsonSchemaValue | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """Running without this field is harmless; `quiet` ones are not even worth a warning."""

    reason: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Needed:
    """The field must be there, and a text must not be blank (secrets may be).

    Attributes:
        expected: What should stand there.
        unless: A field that stands in for it.
    """

    expected: str = "a value"
    unless: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """How many items a list must have; for the schema only, as what is wrong is better said by who reads the list."""

    least: int
    most: int | None = None


class DocumentModel(BaseModel):
    """A part of a document. Every field is optional for pydantic, so that one mistake does not hide the next one."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, alias_generator=to_camel)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Say in the schema what is needed, ignored and refused."""
        schema = handler.resolve_ref_schema(handler(core))
        schema.pop("title", None)
        properties, required = schema.get("properties", {}), []
        for name, info in cls.model_fields.items():
            alias = info.alias or name
            properties[alias].pop("title", None)
            properties[alias].pop("default", None)
            _accept_as_loaded(properties[alias])
            for marker in info.metadata:
                _apply(marker, properties, alias)
                if isinstance(marker, Needed):
                    required.append(alias)
        if required:
            schema["required"] = required
        return schema


def _apply(marker: Any, properties: JsonSchemaValue, alias: str) -> None:
    """Say in a schema what a marker means."""
    choices = properties[alias].get("anyOf", [])
    if isinstance(marker, Refused):
        description = f"Refused: {marker.reason}."
        allowed = [{"type": "null"}] + ([marker.schema] if marker.schema else [])
        properties[alias] = {"description": description, "anyOf": allowed}
    elif isinstance(marker, Ignored):
        properties[alias] = {"description": f"Accepted and not used: {marker.reason}."}
    elif isinstance(marker, Needed):
        choices[:] = [choice for choice in choices if choice != {"type": "null"}]
        for choice in choices:
            if choice.get("type") == SCALARS and "pattern" not in choice:
                choice["pattern"] = r"\S"
    elif isinstance(marker, Items):
        for choice in choices:
            if choice.get("type") == "array":
                choice["minItems"] = marker.least
                choice.update({"maxItems": marker.most} if marker.most else {})


def _accept_as_loaded(schema: JsonSchemaValue) -> None:
    """Allow quotes around numbers and truth values, and in mappings null, which counts as absent."""
    choices = schema.get("anyOf", [])
    for choice in choices:
        if isinstance(values := choice.get("additionalProperties"), dict):
            choice["additionalProperties"] = {**values, "type": [*SCALARS, "null"]}
    types = {choice.get("type") for choice in choices if isinstance(choice.get("type"), str)}
    for type_, pattern in (("integer", _INTEGER.pattern), ("number", _NUMBER.pattern)):
        if type_ in types:
            choices.append({"type": "string", "pattern": f"^(?:{pattern})$"})
    if "boolean" in types:
        choices.append(any_case(*sorted(_TRUE | _FALSE)))


def any_case(*texts: str) -> JsonSchemaValue:
    """Return the JSON Schema of texts whatever their case; it lists them, so that editors complete them."""
    spelt = ["".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else re.escape(c) for c in text) for text in texts]
    return {"anyOf": [{"enum": list(texts)}, {"type": "string", "pattern": f"^(?:{'|'.join(spelt)})$"}]}


def shaped(schema: JsonSchemaValue) -> Any:
    """Return the type that a validator takes, for the schema only."""
    return Annotated[Any, WithJsonSchema(schema)]


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    raise ValueError("a text")


def _integer(value: Any) -> Any:
    if isinstance(value, Scalar):
        if not _INTEGER.fullmatch(value):
            raise ValueError("an integer")
        return int(value)
    raise ValueError("an integer")


def _number(value: Any) -> Any:
    if isinstance(value, Scalar) and _NUMBER.fullmatch(value):
        return float(value)
    raise ValueError("a number")


def read_flag(text: str) -> bool | None:
    """Return what a truth value means; None for a text that is none."""
    return text.lower() in _TRUE if text.lower() in _TRUE | _FALSE else None


def _flag(value: Any) -> Any:
    flag = read_flag(value) if isinstance(value, Scalar) else None
    if flag is None:
        raise ValueError("true or false")
    return flag


def _secret(value: Any) -> Any:
    return SecretStr(_text(value))


E_ = TypeVar("E_", bound=StrEnum)


def _choice(enum: type[E_]) -> Callable[[Any], E_]:
    by_fold = {member.value.lower(): member for member in enum}

    def choose(value: Any) -> E_:
        if isinstance(value, str) and value.lower() in by_fold:
            return by_fold[value.lower()]
        choices = [member.value for member in enum]
        raise PydanticCustomError("choice", "one of {listed}", {"listed": ", ".join(choices), "choices": choices})

    return choose


def one_of(enum: type[E_], *, usable: tuple[E_, ...] = ()) -> BeforeValidator:
    """Accept an enum's values whatever their case; the schema has the usable ones only, all when none are named."""
    schema = any_case(*(member.value for member in usable or enum))
    return BeforeValidator(_choice(enum), json_schema_input_type=shaped(schema))


def matching(pattern: str, expected: str, *, max_length: int = 253) -> BeforeValidator:
    """Accept texts that match; `expected` says the rule in words."""
    compiled = re.compile(pattern)

    def check(value: Any) -> str:
        text = _text(value)
        if not isinstance(text, str) or len(text) > max_length or not compiled.fullmatch(text):
            raise ValueError(expected)
        return text

    # A text without quotes may look like a number or a truth value.
    looks = {"string": "", "number": "5", "boolean": "true"}
    types = [type_ for type_, text in looks.items() if not text or compiled.fullmatch(text)]
    schema = {"type": types, "pattern": f"^(?:{pattern})$", "maxLength": max_length}
    return BeforeValidator(check, json_schema_input_type=shaped(schema))


def text_like(schema: JsonSchemaValue) -> BeforeValidator:
    """Accept texts; the schema says which of them are of use."""
    return BeforeValidator(_text, json_schema_input_type=shaped(schema))


SCALARS = ["string", "number", "boolean"]
Text = Annotated[str, text_like({"type": SCALARS})]
# For numbers with a range: `Annotated[int, Field(ge=1), AS_INTEGER]`, in this order, or the schema loses the range.
AS_INTEGER = BeforeValidator(_integer)
AS_NUMBER = BeforeValidator(_number)
Flag = Annotated[bool, BeforeValidator(_flag)]
Secret = Annotated[
    SecretStr, BeforeValidator(_secret, json_schema_input_type=shaped({"type": SCALARS, "writeOnly": True}))
]
Unused = Any | None

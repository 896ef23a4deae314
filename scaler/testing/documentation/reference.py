"""The reference pages, made from what the code itself says: the command line, the fields of manifests, the metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

_NOTE = "<!-- Made by `make docs`; do not edit. -->"
_KINDS = ("ContainerApp", "ScaledObject", "TriggerAuthentication", "KubernetesSecret", "ConfigMap")
_TITLES = {
    "ContainerApp": "Azure Container Apps",
    "ScaledObject": "`kind: ScaledObject`",
    "TriggerAuthentication": "`kind: TriggerAuthentication` and `kind: ClusterTriggerAuthentication`",
    "KubernetesSecret": "`kind: Secret`",
    "ConfigMap": "`kind: ConfigMap`",
}
# Written by the Kubernetes API server or KEDA's operator: accepted without a word, and of no use to a reader.
_SERVER_SIDE = re.compile(r"Accepted and not used: the .* writes it\.")
_UNUSED = "Accepted and not used: "
_REFUSED = "Refused: "


def command_line(app: typer.Typer) -> str:
    """Return the page about all commands."""
    group: Any = typer.main.get_command(app)
    blocks = ["# Commands", _NOTE, _flat(group.help), *_options(group)]
    for name in sorted(group.commands):
        command = group.commands[name]
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        words = ["scaler", name, "[OPTIONS]", *map(_argument, arguments)]
        blocks += [f"## `scaler {name}`", "```text\n" + " ".join(words) + "\n```"]
        blocks += [_flat(paragraph) for paragraph in (command.help or "").split("\n\n")]
        blocks += _options(command)
    return "\n\n".join(blocks) + "\n"


def _options(command: Any) -> list[str]:
    rows = []
    for parameter in command.params:
        names = ", ".join(f"`{name}`" for name in parameter.opts)
        if parameter.param_type_name == "argument":
            names = f"`{_argument(parameter)}`"
        default = _default(parameter)
        variable = f" Or `{parameter.envvar}` in the environment." if parameter.envvar else ""
        rows.append(f"| {names} | {default} | {_cell(_flat(parameter.help or ''))}{variable} |")
    if not rows:
        return []
    return ["| option | default | meaning |\n|---|---|---|\n" + "\n".join(rows)]


def _argument(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _default(parameter: Any) -> str:
    if callable(parameter.default):
        return "see [Running it](../running.md#settings-of-scaler-run)"
    if parameter.required:
        return "required"
    if parameter.default is None or parameter.default is False or parameter.default == []:
        return ""
    return f"`{getattr(parameter.default, 'value', parameter.default)}`"


def manifests(schema: Mapping[str, Any]) -> str:
    """Return the page about all fields of manifests; `schema` is what `scaler schema` prints."""
    blocks = [
        "# Fields of manifests",
        _NOTE,
        (
            "Every field that manifests may have, as `scaler schema` says it to editors. [Manifests](../manifests.md)"
            " says what each means, defaults included; the parameters of triggers are on [the pages of the"
            " scalers](../scalers/README.md). **Refused** fields are errors, **unused** ones warnings; fields that are"
            " not here are errors with the nearest name. Texts from a list are read in any case."
        ),
    ]
    for kind in _KINDS:
        rows = [f"| `{path}` | {accepted} | {note} |" for path, accepted, note in _fields(schema["$defs"], kind, "")]
        blocks += [f"## {_TITLES[kind]}", "| field | takes | |\n|---|---|---|\n" + "\n".join(rows)]
    return "\n\n".join(blocks) + "\n"


def _fields(definitions: Mapping[str, Any], name: str, prefix: str) -> Iterator[tuple[str, str, str]]:
    definition = definitions[name]
    needed = definition.get("required", ())
    for field, schema in definition.get("properties", {}).items():
        description = schema.get("description", "")
        if _SERVER_SIDE.match(description):
            continue
        note = "needed" if field in needed else ""
        if description.startswith(_REFUSED):
            note = "**refused**: " + description.removeprefix(_REFUSED).rstrip(".")
        elif description.startswith(_UNUSED):
            note = "**unused**: " + description.removeprefix(_UNUSED).rstrip(".")
        choices = [choice for choice in _choices(schema) if choice.get("type") != "null"]
        path = f"{prefix}{field}"
        below = [_reference(choice) for choice in choices]
        listed = any(choice.get("type") == "array" for choice in choices)
        path += "[]" if listed else ""
        refused = note.startswith("**refused")
        yield path, "" if note.startswith("**unused") else _accepted(choices, refused=refused), _cell(note)
        for child in below:
            if child is not None and not child.startswith("metadata."):
                yield from _fields(definitions, child, f"{path}.")


def _choices(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Return the alternatives that a schema has, those of its alternatives included."""
    if "anyOf" not in schema:
        yield schema
    for choice in schema.get("anyOf", ()):
        yield from _choices(choice)


def _reference(choice: Mapping[str, Any]) -> str | None:
    found = choice.get("items", choice).get("$ref")
    return None if found is None else str(found).rpartition("/")[2]


def _accepted(choices: Sequence[Mapping[str, Any]], *, refused: bool) -> str:
    """Return in words what a field takes; for a refused one, what stands for nothing."""
    words: list[str] = []
    types = {choice["type"] for choice in choices if isinstance(choice.get("type"), str)}
    for choice in choices:
        if "enum" in choice and "boolean" not in types:
            words += [f"`{value.lower() if value == 'False' else value}`" for value in map(str, choice["enum"])]
        elif "const" in choice:
            words.append(f"`{choice['const']!r}`" if choice["const"] in ("", []) else f"`{choice['const']}`")
        elif choice.get("type") in ("integer", "number"):
            words.append(_range(choice))
        elif choice.get("type") == "boolean":
            words.append("`true` or `false`")
        elif choice.get("type") == "array":
            inner = _reference(choice)
            words.append("a list" if inner else "a list of texts")
        elif _reference(choice):
            words.append("a mapping")
        elif choice.get("type") == "object":
            words.append(_mapping(choice))
        elif "string" in choice.get("type", ()) and not words:
            secret = "a secret text" if choice.get("writeOnly") else "a text"
            words.append(f"{secret}, at most {choice['maxLength']} characters" if "maxLength" in choice else secret)
    unique = list(dict.fromkeys(words))
    return ("only " if refused and unique else "") + _cell(", ".join(unique))


def _mapping(choice: Mapping[str, Any]) -> str:
    fixed = [
        f"`{name}: {str(next(_choices(value))['enum'][0]).lower()}`"
        for name, value in choice.get("properties", {}).items()
    ]
    return ", ".join(fixed) if fixed else "a mapping of texts"


def _range(choice: Mapping[str, Any]) -> str:
    kind = "an integer" if choice["type"] == "integer" else "a number"
    least = choice.get("minimum", choice.get("exclusiveMinimum"))
    above = "above " if "exclusiveMinimum" in choice else "from "
    bounds = [
        f" {above}{least:,}" if least is not None else "",
        f" to {choice['maximum']:,}" if "maximum" in choice else "",
    ]
    return kind + "".join(bounds)


def metrics(golden: str) -> str:
    """Return the page about all metrics, from the lines `NAME TYPE {LABELS} HELP` of the golden list."""
    rows = []
    for line in golden.splitlines():
        found = re.fullmatch(r"(?P<name>\S+) (?P<type>\S+) \{(?P<labels>[^}]*)\} (?P<help>.*)", line)
        if found is None:
            raise ValueError(f"not a line of the list of metrics: {line!r}")
        series = found["name"] + ("_total" if found["type"] == "counter" else "")
        rows.append(f"| `{series}` | {found['type']} | {found['labels']} | {_cell(found['help'])} |")
    head = "Every series of `GET /metrics`; [Metrics](../metrics.md) says more about them."
    table = "| series | type | labels | meaning |\n|---|---|---|---|\n" + "\n".join(rows)
    return f"# Metrics, listed\n\n{_NOTE}\n\n{head}\n\n{table}\n"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

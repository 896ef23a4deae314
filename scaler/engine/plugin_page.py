"""The documentation page of a scaler, from its docstrings and parameters."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator

from scaler.engine.plugins import Parameter, ScalerType, parameters

# Sections of a docstring that pages show, in this order; what the whole package shares comes after the parameters.
_BEFORE = ("Reads", "Active")
_SHARED = ("Connection", "Outages")
_AFTER = ("Push", "Errors", "Differences from KEDA")
_SECTION = re.compile(r"^([A-Z][A-Za-z ]+):$")


def page(scaler: ScalerType, *, example: str = "") -> str:
    """Return the page in Markdown.

    Args:
        scaler: Its docstring has a summary and any of the sections Reads, Active, Push, Errors and Differences from
            KEDA, written as `Reads:` with indented Markdown below; that of its package may have Connection and Outages.
        example: A manifest to show.
    """
    summary, own = _sections(inspect.getdoc(scaler) or "")
    shared = _shared_sections(scaler)
    blocks = [f"# `{scaler.type}`", summary]
    if example:
        blocks.append(f"```yaml\n{example.strip()}\n```")
    blocks += _texts(_BEFORE, own, shared)
    blocks.append("## Parameters\n\n" + "\n".join(_rows(scaler)))
    blocks += _texts(_SHARED + _AFTER, own, shared)
    return "\n\n".join(blocks) + "\n"


def _sections(docstring: str) -> tuple[str, dict[str, str]]:
    """Split a docstring into what comes before its first section, and the sections by name."""
    texts: dict[str, list[str]] = {}
    lines: list[str] = []
    summary = lines
    for line in docstring.splitlines():
        if match := _SECTION.match(line):
            lines = texts[match[1]] = []
        else:
            lines.append(line)
    return "\n".join(summary).strip(), {name: inspect.cleandoc("\n" + "\n".join(text)) for name, text in texts.items()}


def _shared_sections(scaler: ScalerType) -> dict[str, str]:
    package = sys.modules.get(scaler.__module__.rpartition(".")[0])
    return _sections(inspect.getdoc(package) or "")[1] if package else {}


def _texts(names: tuple[str, ...], own: dict[str, str], shared: dict[str, str]) -> Iterator[str]:
    for name in names:
        if text := "\n\n".join(filter(None, (own.get(name), shared.get(name)))):
            yield f"## {name}\n\n{text}"


def _rows(scaler: ScalerType) -> Iterator[str]:
    yield "| parameter | default | from | meaning |"
    yield "|---|---|---|---|"
    for parameter in parameters(scaler):
        yield f"| `{parameter.name}` | {_default(parameter)} | {', '.join(parameter.sources)} | {_meaning(parameter)} |"


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or default in ("", [], {}):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _meaning(parameter: Parameter) -> str:
    meaning = parameter.description
    if parameter.allowed:
        meaning += f"; one of {', '.join(f'`{value}`' for value in parameter.allowed)}"
    if parameter.secret:
        meaning += " (secret)"
    return meaning.replace("|", "\\|").replace("\n", " ")

"""What pages quote and list is what the code says: messages, refused fields, fields that are not used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from scaler.manifest.aca import documents, ingress, scale_rules, template
from scaler.manifest.fields import DocumentModel, Ignored, Refused
from scaler.manifest.keda import authentication, behavior
from scaler.manifest.keda import documents as keda
from scaler.testing.documentation import pages

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
ACA = (documents, ingress, scale_rules, template)
KEDA = (keda, authentication, behavior)


def texts() -> Iterator[str]:
    """Return every text of the code, those between the braces of f-strings each alone."""
    for package in ("scaler", "scalers"):
        for path in (ROOT / package).rglob("*.py"):
            if "testing" not in path.parts:
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        yield node.value


# What puts texts together to a line: parts on either side are texts of their own.
JOINTS = ("found ", ", expected ", " (", "because ", "next change: ")


def quoted(page: str) -> list[str]:
    """Return the parts of the messages that a page quotes, between what differs and where texts meet."""
    messages = [block.lines for block in pages.blocks((DOCS / page).read_text()) if block.language == "text"]
    between = re.compile("|".join(map(re.escape, ("...", "error: ", *JOINTS))))
    parts = [part.strip(" ().;:,?") for lines in messages for line in lines for part in between.split(line)]
    return [part for part in parts if len(part) > 3]


def test_messages_are_those_of_the_code() -> None:
    code = "\n".join(texts())
    parts = quoted("troubleshooting.md")
    assert len(parts) > 45
    assert [part for part in (*parts, *JOINTS) if part not in code] == []


def aliases(modules: tuple[ModuleType, ...], marker: type[Refused | Ignored]) -> set[str]:
    """Return the names of fields with a marker, but of those that are ignored without a word."""
    return {
        info.alias or ""
        for module in modules
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, DocumentModel) and model.__module__ == module.__name__
        for info in model.model_fields.values()
        for found in info.metadata
        if isinstance(found, marker) and not getattr(found, "quiet", False)
    }


def named(page: str, heading: str, *, first_column: bool) -> set[str]:
    """Return the fields that a section names, each by its last part."""
    section = (DOCS / page).read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    if first_column:
        section = "\n".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    return {re.split(r"\.|\[\]\.", code.partition(":")[0])[-1] for code in re.findall(r"`([^`]+)`", section)}


@pytest.mark.parametrize(("page", "modules"), [("for-aca-users.md", ACA), ("for-keda-users.md", KEDA)])
def test_the_refused_fields_are_all_there(page: str, modules: tuple[ModuleType, ...]) -> None:
    values = {"none"}
    assert named(page, "Refused", first_column=True) - values == aliases(modules, Refused)


@pytest.mark.parametrize(("page", "modules"), [("for-aca-users.md", ACA), ("for-keda-users.md", KEDA)])
def test_the_fields_that_are_not_used_are_all_there(page: str, modules: tuple[ModuleType, ...]) -> None:
    assert named(page, "Not used", first_column=False) == aliases(modules, Ignored)

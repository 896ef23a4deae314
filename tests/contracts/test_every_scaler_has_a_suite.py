"""Whatever scaler is installed, a contract suite in this folder runs it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scaler.engine.plugins import discover
from scaler.ports.errors import PluginBroken


def suites() -> set[str]:
    """Return the names of scalers that suites of this folder are about (`scaler = NAME`)."""
    assigned = [
        node.value.id
        for file in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Name)
        and ast.unparse(node.targets[0]) == "scaler"
    ]
    return set(assigned)


@pytest.mark.parametrize("type_", sorted(discover()))
def test_every_scaler_has_a_suite(type_: str) -> None:
    found = discover()[type_]
    assert not isinstance(found, PluginBroken), found
    assert found.__name__ in suites()

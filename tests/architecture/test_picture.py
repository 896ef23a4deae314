"""The page about the architecture names what there is: packages, files, and the layers of the import rules."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def exists(dotted: str) -> bool:
    path = ROOT / dotted.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def test_every_package_that_is_named_exists() -> None:
    named = set(re.findall(r"\bscalers?\.(?!py\b)[a-z_]+\b", PAGE))
    assert len(named) > 20
    assert sorted(name for name in named if not exists(name)) == []


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`([a-z/_]+\.py)`", PAGE)
    assert len(named) >= 5
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_package_is_named() -> None:
    packages = [path.parent.name for path in (ROOT / "scaler").glob("*/__init__.py")]
    assert [name for name in packages if f"scaler.{name}" not in PAGE] == []


def test_the_layers_are_those_that_are_enforced() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [contract for contract in settings["contracts"] if contract["type"] == "layers"]
    enforced = [set(layer.split(" | ")) for layer in contract["layers"]]
    table = PAGE.partition("| layer |")[2].partition("\n\n")[0].splitlines()[2:]
    shown = [set(re.findall(r"`(scaler\.[a-z_]+)`", row.split(" | ")[1])) for row in table]
    # A row may stand for neighbouring layers; their order is the same.
    for row in shown:
        merged: set[str] = set()
        while merged != row:
            assert enforced, f"{row} is no layer"
            assert enforced[0] <= row, f"{enforced[0]} is not in the row {row}"
            merged |= enforced.pop(0)
    assert enforced == []

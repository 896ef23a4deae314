"""The plugin that docs/writing-a-scaler.md makes is the one in deploy/examples, and keeps a scaler's promises."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from scaler.testing.scaler_contract import ScalerContract

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "writing-a-scaler.md"
PACKAGE = ROOT / "deploy" / "examples" / "plugin-spool"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PACKAGE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


load("spool_scaler")
TestSpoolScaler: type[ScalerContract] = load("test_spool_scaler").TestSpoolScaler


def test_all_code_of_the_page_is_the_package_s() -> None:
    files = [path.read_text() for path in PACKAGE.iterdir() if path.is_file()]
    blocks = [text for _, text in BLOCK.findall(PAGE.read_text())]
    assert len(blocks) == 7
    assert [text for text in blocks if not any(text in file for file in files)] == []


@pytest.mark.parametrize("name", ["pyproject.toml", "spool_scaler.py", "test_spool_scaler.py", "worker.yaml"])
def test_the_page_leaves_nothing_of_the_package_out(name: str) -> None:
    page = "".join(text for _, text in BLOCK.findall(PAGE.read_text())).splitlines()
    assert [line for line in (PACKAGE / name).read_text().splitlines() if line and line not in page] == []


def test_the_page_names_the_version_that_it_is_for() -> None:
    required = re.search(r'"(event-scaler[^"]*)"', (PACKAGE / "pyproject.toml").read_text())
    assert required is not None
    assert f"`{required[1]}`" in PAGE.read_text()

"""The example of docs/writing-a-scaler.md is what it says: a scaler, and a suite that it passes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

from scaler.testing.scaler_contract import ScalerContract

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-scaler.md"
PLUGIN, SUITE = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def run(name: str, code: str) -> ModuleType:
    module = sys.modules[name] = ModuleType(name)
    exec(compile(code, f"{PAGE.name}: {name}", "exec"), module.__dict__)  # noqa: S102 - our own documentation
    return module


run("my_spool", PLUGIN)
TestSpoolScaler: type[ScalerContract] = run("test_my_spool", SUITE).TestSpoolScaler


def test_the_page_says_which_group_the_entry_point_is_in() -> None:
    assert '[project.entry-points."scaler.scalers"]' in PAGE.read_text()

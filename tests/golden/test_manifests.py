"""What manifests are told, and the schema that editors read; `UPDATE_GOLDEN=1 pytest tests/golden` writes them anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scaler.engine import plugins
from scaler.manifest import json_schema, load
from scaler.ports.errors import InvalidManifest

HERE = Path(__file__).parent / "manifests"


def check(name: str, text: str) -> None:
    path = HERE / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text


def test_ten_mistakes_are_ten_problems_in_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    with pytest.raises(InvalidManifest) as caught:
        load([Path("ten-mistakes.yaml")], scalers=plugins.discover(), environ={})
    check("ten-mistakes.txt", f"{caught.value}\n")
    assert len([problem for problem in caught.value.problems if not problem.warning]) == 10


def test_the_schema_is_the_published_one() -> None:
    check("schema.json", json.dumps(json_schema(plugins.discover()), indent=2) + "\n")

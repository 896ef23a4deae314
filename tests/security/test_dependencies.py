"""What an installation consists of: known, and without what published advisories have mended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def pins() -> dict[str, str]:
    lines = (ROOT / "deploy" / "requirements.txt").read_text().splitlines()
    pinned = [line.split(";")[0].strip(" \\").split("==") for line in lines if "==" in line and line[0].isalnum()]
    return {name.strip(): version.strip() for name, version in pinned}


def test_the_pins_have_the_fixes_of_published_advisories() -> None:
    lines = (ROOT / "deploy" / "minimum-versions.txt").read_text().splitlines()
    least = [Requirement(line.partition("#")[0]) for line in lines if not line.startswith("#")]
    assert least
    found = pins()
    assert [str(each) for each in least if not each.specifier.contains(found[each.name])] == []


def test_the_bill_of_materials_has_all_pins_and_no_registry(tmp_path: Path) -> None:
    target = tmp_path / "sbom.json"
    subprocess.run([sys.executable, ".ci/sbom", target], cwd=ROOT, check=True, capture_output=True, timeout=150)
    text = target.read_text()
    bill = json.loads(text)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert {(each["name"], each["version"]) for each in bill["components"]} == set(pins().items())
    assert "/simple" not in text
    assert "pypi.org" not in text

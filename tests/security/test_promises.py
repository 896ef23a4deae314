"""The promises of docs/threats.md that no other test shows, and that each names a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from scaler.actuators.docker import volumes
from scaler.manifest.aca import domains
from scaler.model import App, Container, Volume, VolumeKind
from scaler.ports.errors import ReplicaRejected

ROOT = Path(__file__).parents[2]


def test_each_promise_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "threats.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", text))
    files = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "scaler" / "testing").glob("*_contract.py")]
    there = {name for file in files for name in re.findall(r"def (test_\w+)\(", file.read_text())}
    assert named
    assert named - there == set()


@pytest.mark.parametrize("path", ["../etc/passwd", "a/../../b", "..", "/../x", "", "/", "."])
def test_secret_paths_stay_in_their_volume(path: str) -> None:
    volume = Volume("v", VolumeKind.SECRET, {path: SecretStr("x")})
    with pytest.raises(ReplicaRejected, match="is not a path in it"):
        volumes.check(App((Container("main", "image"),), volumes=(volume,)))


@pytest.mark.parametrize("name", ["..", ".", "", ".hidden", "a b", "a\nb", "a\x00b", "ä", "x" * 200])
def test_certificate_ids_are_names_in_the_folder(name: str) -> None:
    assert domains.certificate_name(f"/subscriptions/x/../{name}") is None
    assert domains.certificate_name("../../etc/shop") == "shop"

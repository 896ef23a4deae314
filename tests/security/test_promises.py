"""The promises of docs/threats.md that no other test shows, and that each names a test that exists."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from scaler.actuators.docker import volumes
from scaler.manifest.aca import domains
from scaler.manifest.values import MAX_FILE_BYTES, OutsideValues, ValueMissing
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


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside that of the manifests, with what no secret is read from."""
    folder = tmp_path / "outside"
    (folder / "folder").mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    (folder / "device").symlink_to("/dev/zero")
    (folder / "large").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    (folder / "binary").write_bytes(b"\xff\xfe")
    (folder / "loop").symlink_to("loop")
    (folder / "terminal").symlink_to("/dev/tty")
    return folder


@pytest.mark.parametrize(
    "name", ["folder", "pipe", "device", "large", "binary", "loop", "terminal", "none", "a\0b", ""]
)
@pytest.mark.parametrize("by_link", [False, True])
def test_references_to_files_neither_hang_nor_fill_the_memory(
    tmp_path: Path, outside: Path, name: str, *, by_link: bool
) -> None:
    """Secrets and waiting pages: both are read by this."""
    path = f"../outside/{name}" if name else ""
    (tmp_path / "manifests").mkdir()
    if by_link and name and "\0" not in name:
        (tmp_path / "manifests" / "link").symlink_to(outside / name)
        path = "link"
    with pytest.raises(ValueMissing):
        OutsideValues({}).read(path, str(tmp_path / "manifests" / "app.yaml"))


def test_a_reference_may_lead_out_of_the_folder_as_secret_stores_need_it(tmp_path: Path, outside: Path) -> None:
    """A manifest is as trusted as the command line; Kubernetes and Docker mount secrets as links."""
    (outside / "secret").write_text("x\n")
    (tmp_path / "link").symlink_to(outside / "secret")
    values = OutsideValues({})
    manifest = str(tmp_path / "app.yaml")
    assert [values.resolve(f"${{file:{name}}}", manifest) for name in ("link", "outside/../outside/secret")] == [
        "x",
        "x",
    ]
    # A reference is the whole of a value: nothing from outside is put into the midst of another text.
    assert values.resolve("a${file:link}", manifest) == "a${file:link}"

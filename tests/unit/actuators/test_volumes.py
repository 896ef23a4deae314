"""What is put into a container before it starts."""

from __future__ import annotations

import io
import tarfile

import pytest
from pydantic import SecretStr

from scaler.actuators.docker import volumes
from scaler.actuators.runtime import blueprint
from scaler.model import App, Container, Volume, VolumeKind, VolumeMount
from scaler.ports.errors import ReplicaRejected

SECRETS = Volume("keys", VolumeKind.SECRET, {"a": SecretStr("A"), "tls/key": SecretStr("K")})
SCRATCH = Volume("scratch", VolumeKind.EMPTY_DIR)


def app(*mounts: VolumeMount, volume: Volume = SECRETS) -> App:
    return App((Container("worker", "image", volume_mounts=mounts),), volumes=(volume, SCRATCH))


def packed(made: App) -> dict[str, bytes | None]:
    content = volumes.archive(blueprint("r", "w", made, dns_suffix="d"))
    if content is None:
        return {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {entry.name: file.read() if (file := tar.extractfile(entry)) else None for entry in tar.getmembers()}


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        (VolumeMount("keys", "/etc/keys"), {"etc/keys/a": b"A", "etc/keys/tls/key": b"K"}),
        (VolumeMount("keys", "/etc/tls", sub_path="tls"), {"etc/tls/key": b"K"}),
        (VolumeMount("keys", "/etc/one.key", sub_path="tls/key"), {"etc/one.key": b"K"}),
        (VolumeMount("scratch", "/cache"), {"cache": None}),
    ],
)
def test_files_of_secrets_and_open_folders(mount: VolumeMount, expected: dict[str, bytes | None]) -> None:
    assert packed(app(mount)) == expected


def test_without_volumes_nothing_is_put() -> None:
    assert packed(app()) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(app(VolumeMount("other", "/x")), id="unknown-volume"),
        pytest.param(app(VolumeMount("scratch", "/x"), VolumeMount("scratch", "/y")), id="twice"),
        pytest.param(app(VolumeMount("scratch", "/x"), VolumeMount("scratch", "/y", "part")), id="whole-and-part"),
        pytest.param(app(volume=Volume("keys", VolumeKind.SECRET, {"../x": SecretStr("A")})), id="leads-out"),
    ],
)
def test_what_cannot_be_mounted_is_rejected(wrong: App) -> None:
    with pytest.raises(ReplicaRejected):
        volumes.check(wrong)


def test_different_parts_of_an_emptydir_can_be_mounted() -> None:
    volumes.check(app(VolumeMount("scratch", "/x", "one"), VolumeMount("scratch", "/y", "two")))

"""EmptyDir and Secret volumes of a container."""

from __future__ import annotations

import io
import posixpath
import tarfile
import time

from scaler.actuators.runtime import Blueprint
from scaler.model import App, Container, VolumeKind, VolumeMount
from scaler.ports.errors import ReplicaRejected


def mounts(app: App, container: Container, kind: VolumeKind) -> list[VolumeMount]:
    """Return a container's mounts of one kind of volume."""
    kinds = {volume.name: volume.kind for volume in app.volumes}
    return [mount for mount in container.volume_mounts if kinds.get(mount.volume) is kind]


def check(app: App) -> None:
    """Check that all mounts can be made.

    Each mount of an EmptyDir becomes an anonymous volume, which the engine removes together with the container. The
    same storage at two places would need a named one, which could be left behind.

    Raises:
        ReplicaRejected: One cannot.
    """
    known = {volume.name for volume in app.volumes}
    for container in app.containers:
        for mount in container.volume_mounts:
            if mount.volume not in known:
                raise ReplicaRejected(f"container {container.name}: there is no volume {mount.volume!r} to mount")
        parts = [(mount.volume, _parts(mount.sub_path)) for mount in mounts(app, container, VolumeKind.EMPTY_DIR)]
        for index, (volume, part) in enumerate(parts):
            for other_volume, other in parts[:index]:
                shared = min(len(part), len(other))
                if volume == other_volume and part[:shared] == other[:shared]:
                    raise ReplicaRejected(
                        f"container {container.name}: mounting the same part of volume {volume!r} at two paths"
                        " is not supported yet"
                    )
    for each in app.volumes:
        for path in each.files:
            if ".." in _parts(path) or not _parts(path):
                raise ReplicaRejected(f"volume {each.name!r}: {path!r} is not a path in it")


def archive(plan: Blueprint) -> bytes | None:
    """Return a tar of what must be in a container before it starts: secret files, and EmptyDirs open to all users."""
    files = _secret_files(plan)
    folders = [mount.path.strip("/") for mount in mounts(plan.app, plan.container, VolumeKind.EMPTY_DIR)]
    if not files and not folders:
        return None
    buffer, now = io.BytesIO(), int(time.time())
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in folders:
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o777, now
            tar.addfile(entry)
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(content), 0o444, now
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _secret_files(plan: Blueprint) -> dict[str, bytes]:
    volumes = {volume.name: volume for volume in plan.app.volumes}
    found: dict[str, bytes] = {}
    for mount in mounts(plan.app, plan.container, VolumeKind.SECRET):
        part = _parts(mount.sub_path)
        for path, secret in volumes[mount.volume].files.items():
            parts = _parts(path)
            if parts[: len(part)] == part:
                place = posixpath.join(mount.path.strip("/"), *parts[len(part) :])
                found[place] = secret.get_secret_value().encode()
    return found


def _parts(path: str | None) -> tuple[str, ...]:
    return tuple(part for part in (path or "").split("/") if part not in {"", "."})

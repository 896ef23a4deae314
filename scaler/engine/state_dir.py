"""The folder that one service keeps its memory in: locked against a second one, marked with the owner's id."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaler.ports.errors import ConfigError, StateDirLocked


@dataclass(frozen=True, slots=True)
class StateDir:
    """An opened state dir.

    Attributes:
        path: The folder, readable by its owner only.
        owner: Random id made with the folder; marks the replicas that belong to it.
    """

    path: Path
    owner: str

    @property
    def database(self) -> Path:
        """The SQLite file with decision state."""
        return self.path / "state.db"

    def read_note(self, name: str) -> Any:
        """Return what `write_note` kept under this name; None when there is nothing, or nothing readable."""
        try:
            return json.loads((self.path / f"{name}.json").read_text())
        except (OSError, ValueError):
            return None

    def write_note(self, name: str, content: Any) -> None:
        """Keep a small JSON value; readers see the old or the new one, never a part.

        Raises:
            ConfigError: The folder cannot be written.
        """
        _write_whole(self.path / f"{name}.json", json.dumps(content))


def open_unlocked(path: Path) -> StateDir:
    """Open a state dir for reading notes while its service may be running.

    Raises:
        ConfigError: There is no state dir at this path.
    """
    try:
        return StateDir(path, (path / "owner").read_text().strip())
    except OSError as error:
        raise ConfigError(f"{path} is no state dir: no service has run with it ({error.strerror})") from error


@contextmanager
def open_locked(path: Path) -> Iterator[StateDir]:
    """Make or open a state dir and hold its lock; a killed process's lock goes with it.

    Raises:
        StateDirLocked: Another process holds it.
        ConfigError: The folder cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"the state dir {path} cannot be used: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(lock, 32, 0).decode(errors="replace").strip()
            raise StateDirLocked(str(path), int(pid) if pid.isdigit() else None) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield StateDir(path, _owner_id(path))
    finally:
        os.close(lock)


def _owner_id(path: Path) -> str:
    owner_file = path / "owner"
    if not owner_file.exists():
        _write_whole(owner_file, uuid.uuid4().hex)
    return owner_file.read_text().strip()


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f"the state dir {path.parent} cannot be written: {error.strerror}") from error

"""What is written down about each replica's process, so that the next run of the service knows it again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from scaler import processes

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """One replica.

    Attributes:
        id: Names its folder, and is its mark in the process's environment.
        pid: Its process; None before its first start, and while a start is under way.
        identity: Tells that process from a later one with the same pid; see `processes.identity`.
        port: Where it is to take requests; None for an app without ingress.
    """

    id: str
    owner: str
    name: str
    workload: str
    revision: str
    created_at: float
    grace_s: float
    stopping: bool = False
    pid: int | None = None
    identity: str = ""
    started_at: float | None = None
    port: int | None = None


class Records:
    """One folder per replica, with `record.json`, `output.log` and the working directory `work`."""

    def __init__(self, state_dir: Path, owner: str) -> None:
        self._folder = state_dir / "replicas"
        self._ended_logs = state_dir / "logs"
        self._owner = owner
        self._reported: set[str] = set()
        self._ports: dict[str, int | None] | None = None

    def folder(self, replica_id: str) -> Path:
        """Return a replica's folder."""
        return self._folder / replica_id

    def all(self) -> Iterator[Record]:
        """Return the owner's records."""
        return (record for record in self._every() if record.owner == self._owner)

    def ports(self) -> set[int]:
        """Return the ports that were given to replicas, of any owner."""
        if self._ports is None:
            self._ports = {record.id: record.port for record in self._every()}
        return {port for port in self._ports.values() if port is not None}

    def get(self, replica_id: str) -> Record | None:
        """Return a record; None when there is none, or it is another owner's."""
        record = self._read(replica_id)
        return record if record is not None and record.owner == self._owner else None

    def _every(self) -> Iterator[Record]:
        if self._folder.is_dir():
            found = (self._read(folder.name) for folder in self._folder.iterdir())
            yield from (record for record in found if record is not None)

    def _read(self, replica_id: str) -> Record | None:
        try:
            return Record(**json.loads((self.folder(replica_id) / "record.json").read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None  # removed, or interrupted while it was made: nothing was started
        except (ValueError, TypeError):
            # As after a power cut. Said once; it must not hide the others.
            if replica_id not in self._reported:
                self._reported.add(replica_id)
                _log.warning("replica_record_unreadable", folder=str(self.folder(replica_id)))
            return None

    def put(self, record: Record) -> None:
        """Write a record: wholly or, when interrupted, not at all."""
        if self._ports is not None:
            self._ports[record.id] = record.port
        folder = self.folder(record.id)
        self._folder.mkdir(exist_ok=True, mode=0o700)
        (folder / "work").mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = folder / "record.json.new"
        draft.write_text(json.dumps(asdict(record)))
        draft.replace(folder / "record.json")

    def remove(self, record: Record) -> None:
        """Remove a replica's folder; its log becomes its workload's latest."""
        if self._ports is not None:
            self._ports.pop(record.id, None)
        folder = self.folder(record.id)
        log = folder / "output.log"
        if log.is_file() and log.stat().st_size:
            self._ended_logs.mkdir(exist_ok=True, mode=0o700)
            log.replace(self._ended_logs / f"{record.workload.replace('/', '_')}.log")
        shutil.rmtree(folder, ignore_errors=True)

    def bound_log(self, record: Record) -> None:
        """Move a long log aside. The process goes on appending to the emptied file."""
        processes.bound_log(self.folder(record.id) / "output.log")

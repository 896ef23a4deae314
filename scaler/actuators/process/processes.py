"""The processes of replicas: known by a mark in their environment."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from scaler import processes
from scaler.ports.errors import EngineUnavailable, ReplicaRejected
from scaler.processes import identity, send

__all__ = ["MARK", "clear_away", "identity", "leader", "marked", "send", "spawn"]

# In every replica's environment, inherited by what it starts; holds the replica's id.
MARK = "SCALER_REPLICA"


def spawn(replica_id: str, argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
    """Start a process in a session of its own and return its pid.

    Raises:
        ReplicaRejected: There is no such program, or it may not be run.
        EngineUnavailable: The machine has no room for another process now.
    """
    try:
        return processes.spawn(
            argv,
            environment={**environment, MARK: replica_id},
            folder=folder / "work",
            log=folder / "output.log",
        )
    except BlockingIOError as error:
        raise EngineUnavailable(f"{argv[0]}: {error.strerror}") from error
    except (OSError, ValueError) as error:
        text = f"{argv[0]}: {getattr(error, 'strerror', None) or error}"
        raise ReplicaRejected(text, told="the command of this app cannot be run") from error


def marked(replica_id: str) -> list[int]:
    """Return the running processes that carry a replica's mark, the oldest first."""
    return processes.marked(MARK, replica_id)


def leader(replica_id: str, folder: Path) -> int | None:
    """Return the replica's own process, found by its mark."""
    return processes.leader(MARK, replica_id, folder / "output.log")


def clear_away(pid: int, replica_id: str) -> str:
    """End what an ended process left running, and return how it ended, as far as that can be known."""
    how = processes.collect(pid)
    if how is None:
        # An earlier run of this service was its parent. Its pid may be anyone's by now; the mark is not.
        for orphan in marked(replica_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        return "ended; its exit code is not known, as an earlier run of this service started it"
    return how

"""Keeps in the state dir which actuator may own replicas, for the next run and for `scaler down`."""

from __future__ import annotations

import structlog

from scaler.engine.state_dir import StateDir
from scaler.model import Replica, Workload
from scaler.ports.errors import ConfigError
from scaler.ports.recorder import Recorder

log = structlog.get_logger(__name__)


class ActuatorNote(Recorder):
    """Writes the note at the first observation: an actuator whose engine never answered owns nothing."""

    def __init__(self, directory: StateDir, kind: str) -> None:
        self._directory = directory
        self._kind = kind
        self._kept = False
        self._writable = True

    def observed(self, workload: Workload, replicas: tuple[Replica, ...]) -> None:  # noqa: ARG002
        """Keep it, or try at the next observation where the disk does not take it; that is reported once."""
        if self._kept:
            return
        try:
            self._directory.write_note("actuator", {"kind": self._kind})
        except ConfigError as error:
            if self._writable:
                log.error("actuator_not_noted", error=str(error))
            self._writable = False
        else:
            self._kept = True

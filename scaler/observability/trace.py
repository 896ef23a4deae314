"""Records what was read, in the format that `scaler simulate` replays."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from scaler.model import Decision, Reading, Workload
from scaler.ports.errors import ConfigError
from scaler.ports.recorder import Recorder

log = structlog.get_logger(__name__)


class TraceRecorder(Recorder):
    """Appends one JSON line per decision: `{"t", "workload", "readings"}`, with `t` in seconds since the epoch.

    Only readings are kept, not replicas: a replay under another policy shall follow its own counts. Lines end up in
    the file as they are written, so that a killed service loses none. A disk that is full ends the recording with
    one log line; scaling goes on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._readings: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("a", buffering=1, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the trace {self._path} cannot be written: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def read(self, workload: Workload, trigger: str, reading: Reading, *, duration_s: float) -> None:  # noqa: ARG002
        """Keep the reading for the decision that follows."""
        recorded: Any
        if reading.error is not None:
            recorded = {"error": reading.error}
        elif reading.samples is not None:
            recorded = {"samples": [asdict(sample) for sample in reading.samples]}
        else:
            # The decision takes what is no number as 0 (KEDA), and JSON has no other way to say it.
            value = _finite(reading.value) or 0.0
            more = {"active": reading.active, "changes_at": reading.changes_at, "mean": _finite(reading.mean)}
            told = {key: each for key, each in more.items() if each is not None}
            recorded = {"value": value, **told} if told else value
        self._readings.setdefault(workload.name, {})[trigger] = recorded

    def decided(self, workload: Workload, decision: Decision, *, duration_s: float) -> None:  # noqa: ARG002
        """Write what the decision was taken from."""
        readings = self._readings.pop(workload.name, {})
        if self._file is None:
            return
        line = {"t": decision.at, "workload": workload.name, "readings": readings}
        try:
            self._file.write(json.dumps(line) + "\n")
        except OSError as error:
            log.error("trace_ended", file=str(self._path), error=str(error))
            self._close()

    def workload_removed(self, workload: Workload) -> None:
        """Drop a reading that no decision followed."""
        self._readings.pop(workload.name, None)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what could not be written is tried once more
                file.close()


def _finite(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else number

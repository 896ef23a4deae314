"""Which actuator a state dir belongs to."""

from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from scaler.engine.actuator_note import ActuatorNote
from scaler.engine.state_dir import StateDir


def test_a_disk_that_cannot_be_written_stops_nothing_and_is_reported_once(tmp_path: Path) -> None:
    directory = StateDir(tmp_path / "later", "owner")
    note, workload = ActuatorNote(directory, "docker"), _any()
    with capture_logs() as logs:
        for _ in range(3):
            note.observed(workload, ())
    assert [entry["event"] for entry in logs] == ["actuator_not_noted"]
    directory.path.mkdir()
    note.observed(workload, ())
    assert directory.read_note("actuator") == {"kind": "docker"}


def _any() -> Any:
    """Return a stand-in for what the note does not look at."""
    return None

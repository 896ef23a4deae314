"""Records of local processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scaler.actuators.process.records import Record, Records

RECORD = Record("good", "us", "worker--1-abcdef", "worker", "1", created_at=1.0, grace_s=30.0)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "bad", "colour": "red"}'])
def test_a_damaged_record_is_reported_once_and_hides_no_other(tmp_path: Path, content: str) -> None:
    records = Records(tmp_path, "us")
    records.put(RECORD)
    (tmp_path / "replicas" / "bad").mkdir()
    (tmp_path / "replicas" / "bad" / "record.json").write_text(content)
    with capture_logs() as logs:
        assert list(records.all()) == [RECORD]
        assert list(records.all()) == [RECORD]
    assert [entry["event"] for entry in logs] == ["replica_record_unreadable"]


def test_others_cannot_look_into_replicas_whatever_the_state_dir_allows(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Records(tmp_path, "us").put(RECORD)
    assert (tmp_path / "replicas").stat().st_mode & 0o077 == 0

"""Records of local processes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
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


def test_records_of_earlier_versions_have_no_port(tmp_path: Path) -> None:
    records = Records(tmp_path, "us")
    records.put(RECORD)
    path = tmp_path / "replicas" / "good" / "record.json"
    path.write_text(json.dumps({name: value for name, value in asdict(RECORD).items() if name != "port"}))
    assert list(records.all()) == [RECORD]


def test_ports_of_all_owners_are_known(tmp_path: Path) -> None:
    Records(tmp_path, "us").put(replace(RECORD, port=61_000))
    Records(tmp_path, "them").put(replace(RECORD, id="other", owner="them", port=61_001))
    assert Records(tmp_path, "us").ports() == {61_000, 61_001}

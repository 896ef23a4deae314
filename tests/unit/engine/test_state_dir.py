"""The state dir's lock, owner and notes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scaler.engine import state_dir
from scaler.ports.errors import ConfigError, StateDirLocked


def test_owner_id_is_made_once_and_kept(tmp_path: Path) -> None:
    with state_dir.open_locked(tmp_path / "a") as first:
        pass
    with state_dir.open_locked(tmp_path / "a") as second:
        assert second.owner == first.owner
    with state_dir.open_locked(tmp_path / "b") as other:
        assert other.owner != first.owner


def test_a_second_service_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with state_dir.open_locked(tmp_path), pytest.raises(StateDirLocked) as caught, state_dir.open_locked(tmp_path):
        pass
    assert caught.value.pid == os.getpid()


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    script = (
        "import os, sys, pathlib\n"
        "from scaler.engine import state_dir\n"
        "with state_dir.open_locked(pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    with state_dir.open_locked(tmp_path):
        pass


def test_others_cannot_look_into_it(tmp_path: Path) -> None:
    with state_dir.open_locked(tmp_path / "state"):
        assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_notes_are_read_back_and_damaged_ones_count_as_absent(tmp_path: Path) -> None:
    with state_dir.open_locked(tmp_path) as directory:
        assert directory.read_note("service") is None
        directory.write_note("service", {"address": "127.0.0.1:1"})
        assert directory.read_note("service") == {"address": "127.0.0.1:1"}
        (tmp_path / "service.json").write_text("{")
        assert directory.read_note("service") is None


def test_a_folder_that_no_service_used_is_no_state_dir(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no state dir"):
        state_dir.open_unlocked(tmp_path)


def test_a_file_in_its_place_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"), state_dir.open_locked(tmp_path / "state"):
        pass


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / ".owner.new").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"), state_dir.open_locked(tmp_path):
        pass
    (tmp_path / ".owner.new").rmdir()
    (tmp_path / ".service.json.new").mkdir()
    with state_dir.open_locked(tmp_path) as directory, pytest.raises(ConfigError, match="cannot be written"):
        directory.write_note("service", {})

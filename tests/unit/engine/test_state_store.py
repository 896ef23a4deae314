"""Decision state on disk."""

import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scaler.engine.state_store import SCHEMA_VERSION, SqliteStateStore
from scaler.model import DecisionState, Recommendation, ScaleEvent
from scaler.ports.errors import ConfigError
from scaler.ports.state_store import Remembered


def overwrite_end(path: Path) -> None:
    """Damage the rows, not the header."""
    content = path.read_bytes()
    path.write_bytes(content[:-2000] + b"\xff" * 2000)


REMEMBERED = Remembered(
    DecisionState(
        created_at=100.5,
        last_active_at=200.25,
        highest=(Recommendation(150.0, 9), Recommendation(190.0, 7)),
        lowest=(Recommendation(190.0, 7),),
        events=(ScaleEvent(180.0, 3, 3), ScaleEvent(190.0, -2, 1)),
        failures={"redis-0": 2},
        decided_at=200.25,
        windows_since=100.5,
    ),
    desired=7,
    target="ComposeService/shop/worker",
)


async def test_everything_survives_reopening(tmp_path: Path) -> None:
    async with SqliteStateStore(tmp_path / "state.db") as store:
        await store.save({"worker": REMEMBERED, "other": REMEMBERED})
        await store.forget("other")
    async with SqliteStateStore(tmp_path / "state.db") as store:
        assert await store.load() == {"worker": REMEMBERED}


async def test_a_file_without_targets_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE workloads (name TEXT PRIMARY KEY, desired INTEGER, state TEXT) STRICT")
        old.execute("INSERT INTO workloads VALUES ('worker', 3, '{\"created_at\": 1}')")
        old.execute("PRAGMA user_version=1")
    old.close()
    async with SqliteStateStore(path) as store:
        assert await store.load() == {"worker": Remembered(DecisionState(created_at=1), 3)}
        await store.save({"worker": REMEMBERED})
        assert await store.load() == {"worker": REMEMBERED}


async def test_saving_again_replaces(tmp_path: Path) -> None:
    later = Remembered(DecisionState(created_at=1), desired=0)
    async with SqliteStateStore(tmp_path / "state.db") as store:
        await store.save({"worker": REMEMBERED})
        await store.save({"worker": later})
        assert await store.load() == {"worker": later}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b"not a database at all" * 100), id="rubbish"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:1000]), id="truncated"),
        pytest.param(overwrite_end, id="damaged rows"),
        pytest.param(
            lambda path: sqlite3.connect(path).execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}").connection.close(),
            id="newer version",
        ),
    ],
)
async def test_a_file_that_cannot_be_used_is_set_aside(tmp_path: Path, damage) -> None:  # noqa: ANN001
    path = tmp_path / "state.db"
    async with SqliteStateStore(path) as store:
        await store.save({"worker": REMEMBERED})
    damage(path)
    with capture_logs() as logs:
        async with SqliteStateStore(path) as store:
            assert await store.load() == {}
            await store.save({"worker": REMEMBERED})
            assert await store.load() == {"worker": REMEMBERED}
    assert [entry["event"] for entry in logs] == ["state_set_aside"]
    assert len(list(tmp_path.glob("state.unreadable-*"))) == 1


async def test_a_row_that_cannot_be_read_costs_that_workload_only(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with SqliteStateStore(path) as store:
        await store.save({"good": REMEMBERED, "bad": REMEMBERED})
    with sqlite3.connect(path) as connection:
        connection.execute("""UPDATE workloads SET state = '{"created_at": "x"}' WHERE name = 'bad'""")
    connection.close()
    async with SqliteStateStore(path) as store:
        with capture_logs() as logs:
            assert await store.load() == {"good": REMEMBERED}
    assert [entry["workload"] for entry in logs] == ["bad"]


async def test_what_cannot_be_opened_though_it_is_not_damaged_is_left_alone(tmp_path: Path) -> None:
    """As a full disk, a lock or missing rights: setting the file aside would lose good state."""
    path = tmp_path / "state.db"
    path.mkdir()
    with pytest.raises(ConfigError, match="unable to open"):
        await SqliteStateStore(path).__aenter__()
    assert path.is_dir()

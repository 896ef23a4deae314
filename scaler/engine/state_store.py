"""Decision state in SQLite: one row a workload, written in transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite
import structlog
from pydantic import TypeAdapter, ValidationError

from scaler.model import DecisionState
from scaler.ports.errors import ConfigError
from scaler.ports.state_store import Remembered

log = structlog.get_logger(__name__)

# Raised when the meaning of stored state changes; a file of a newer version is set aside, not guessed at.
SCHEMA_VERSION = 1

_STATE: TypeAdapter[DecisionState] = TypeAdapter(DecisionState)


class SqliteStateStore:
    """Keeps decision state in one file.

    A file that is damaged or of a newer version is renamed and a new one begun: the service starts with what the
    actuator observes, which never scales down blindly, since the present count is the first recommendation.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None

    async def __aenter__(self) -> Self:
        try:
            try:
                self._connection = await self._open()
            except sqlite3.OperationalError:
                raise  # a full disk, a lock, missing rights: the file is good, and is not to be lost
            except sqlite3.DatabaseError as error:
                log.warning("state_set_aside", file=str(self._set_aside()), error=str(error))
                self._connection = await self._open()
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(f"the state in {self._path} cannot be used: {error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def load(self) -> Mapping[str, Remembered]:
        """Return everything kept; a row that cannot be read is reported and left out."""
        remembered = {}
        async with self._open_connection.execute("SELECT name, desired, state, target FROM workloads") as rows:
            async for name, desired, state, target in rows:
                try:
                    remembered[name] = Remembered(_STATE.validate_json(state), desired, target or "")
                except ValidationError as error:
                    log.warning("state_row_unreadable", workload=name, problems=error.error_count())
        return remembered

    async def save(self, changed: Mapping[str, Remembered]) -> None:
        """Write all of them in one transaction.

        Raises:
            OSError: The disk is full, or cannot be written.
        """
        rows = [
            (name, kept.desired, _STATE.dump_json(kept.state).decode(), kept.target) for name, kept in changed.items()
        ]
        await self._write("INSERT OR REPLACE INTO workloads (name, desired, state, target) VALUES (?, ?, ?, ?)", rows)

    async def forget(self, workload_name: str) -> None:
        """Drop one workload."""
        await self._write("DELETE FROM workloads WHERE name = ?", [(workload_name,)])

    @property
    def _open_connection(self) -> aiosqlite.Connection:
        if self._connection is None:
            message = "the state store is not open"
            raise RuntimeError(message)
        return self._connection

    def _set_aside(self) -> Path:
        aside = self._path.with_suffix(f".unreadable-{int(time.time())}")
        self._path.rename(aside)
        # A write-ahead log that stays behind would be replayed into the new file.
        for suffix in ("-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        return aside

    async def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        connection = self._open_connection
        try:
            await connection.executemany(statement, rows)
            await connection.commit()
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                await connection.rollback()
            raise OSError(str(error)) from error

    async def _open(self) -> aiosqlite.Connection:
        sqlite3.connect(self._path).close()  # where this fails, aiosqlite would leave a thread behind
        connection = await aiosqlite.connect(self._path)
        try:
            # WAL: a kill in the middle of a write loses that write only.
            await connection.execute("PRAGMA journal_mode=WAL")
            await connection.execute("PRAGMA synchronous=NORMAL")
            async with connection.execute("PRAGMA user_version") as cursor:
                (version,) = await cursor.fetchone() or (0,)
            async with connection.execute("PRAGMA quick_check(1)") as cursor:
                (verdict,) = await cursor.fetchone() or ("no answer",)
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)  # noqa: TRY301 - the connection is closed in one place
            if version > SCHEMA_VERSION:
                message = f"written by a newer version ({version}, this one writes {SCHEMA_VERSION})"
                raise sqlite3.DatabaseError(message)  # noqa: TRY301 - the connection is closed in one place
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS workloads"
                " (name TEXT PRIMARY KEY, desired INTEGER, state TEXT, target TEXT) STRICT"
            )
            # Files of the first release have no target; it means nothing else for what they hold.
            async with connection.execute(
                "SELECT 1 FROM pragma_table_info('workloads') WHERE name = 'target'"
            ) as found:
                if await found.fetchone() is None:
                    await connection.execute("ALTER TABLE workloads ADD COLUMN target TEXT")
            await connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            await connection.commit()
        except BaseException:
            await connection.close()
            raise
        return connection

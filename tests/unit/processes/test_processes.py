"""Processes that outlive the service: their logs stay short, and their ends are seen."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from pathlib import Path

import pytest

from scaler import processes
from scaler.testing.leaks import until


def spawn(folder: Path, code: str, **environment: str) -> int:
    return processes.spawn(
        (sys.executable, "-c", code), environment=environment, folder=folder, log=folder / "output.log"
    )


async def ended(pid: int) -> str | None:
    done = asyncio.Event()
    processes.on_end(pid, done.set)
    async with asyncio.timeout(60):
        await done.wait()
    return processes.collect(pid)


def test_a_long_log_is_moved_aside_and_appended_to_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "output.log"
    with log.open("ab") as output:
        processes.bound_log(log)
        assert not log.with_suffix(".log.1").exists()
        output.truncate(processes.MAX_LOG_BYTES + 1)
        processes.bound_log(log)
        output.write(b"later")
    assert log.read_bytes() == b"later"
    assert log.with_suffix(".log.1").stat().st_size == processes.MAX_LOG_BYTES + 1
    processes.bound_log(tmp_path / "none.log")


async def test_an_end_is_seen_once_and_told_of(tmp_path: Path) -> None:
    assert await ended(spawn(tmp_path, "import sys; print('here'); sys.exit(3)")) == "exit code 3"
    assert (tmp_path / "output.log").read_text() == "here\n"
    assert await ended(spawn(tmp_path, "import os; os.kill(os.getpid(), 9)")) == "ended by SIGKILL"


async def test_what_is_no_longer_watched_calls_nobody(tmp_path: Path) -> None:
    pid = spawn(tmp_path, "")
    calls: list[int] = []
    cancel = processes.on_end(pid, lambda: calls.append(1))
    cancel()
    cancel()
    await ended(pid)
    assert calls == []
    with pytest.raises(ProcessLookupError):
        processes.on_end(pid, lambda: None)


async def test_a_process_is_found_by_its_environment_even_while_it_is_only_starting(tmp_path: Path) -> None:
    pid = spawn(tmp_path, "import time; time.sleep(60)", SCALER_TEST=str(tmp_path))
    try:
        assert processes.leader("SCALER_TEST", str(tmp_path), tmp_path / "output.log") == pid
        assert processes.marked("SCALER_TEST", "another") == []
        assert (await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_text)).count("SCALER_TEST") == 1
    finally:
        processes.send(pid, signal.SIGKILL)
    assert await ended(pid) == "ended by SIGKILL"
    assert processes.leader("SCALER_TEST", str(tmp_path), tmp_path / "output.log") is None


async def test_what_an_earlier_process_left_holding_the_log_hinders_no_start(tmp_path: Path) -> None:
    with (tmp_path / "output.log").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert await ended(spawn(tmp_path, "")) == "exit code 0"


async def test_an_identity_is_that_of_a_running_process(tmp_path: Path) -> None:
    pid = spawn(tmp_path, "")
    await until(lambda: processes.identity(pid) is None)  # ended, though nobody has collected it
    await ended(pid)
    assert processes.identity(os.getpid()) is not None
    assert processes.collect(os.getppid()) is None  # not a child

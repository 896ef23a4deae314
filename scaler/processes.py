"""Processes that outlive the service that started them: starting, knowing again, signalling, seeing them end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

# Far longer than an exec takes.
_EXEC_S = 2.0
# What a process inherits of the service's own environment, which may hold secrets of others.
INHERITED = frozenset({"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"})
# A log beyond this is moved aside; the one moved aside before goes.
MAX_LOG_BYTES = 10 * 1024 * 1024


def spawn(argv: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> int:
    """Start a process in a session of its own, in a folder, with its output appended to a log; return its pid.

    It holds a lock on the log for as long as it or what it started lives and has it open; see `leader`.

    Raises:
        OSError: There is no such program, it may not be run, or (BlockingIOError) the machine has no room for it now.
        ValueError: An argument or the environment holds a NUL.
    """
    inherited = {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith("LC_")}
    with log.open("ab") as output:
        # The child holds this lock from the fork on, before anything else shows whose it is. What an earlier process
        # left behind may still hold it: waiting for that could take forever.
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process = subprocess.Popen(  # noqa: S603 - the command is what the caller is to run; no shell
            list(argv),
            cwd=folder,
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # It is to outlive this object, which would otherwise warn of that; its end is seen by `collect`.
    process.returncode = 0
    return process.pid


def identity(pid: int) -> str | None:
    """Return what tells a running process from every other one, now or later; None when it does not run.

    The kernel's own start time in ticks since boot, with the boot's id: unlike seconds since the epoch it does not
    move when the clock is set. A process that ended but was not collected by its parent (a zombie) does not run.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything; see proc(5)
    return None if fields[0] in {"Z", "X"} else f"{boot}:{fields[19]}"


def marked(name: str, value: str) -> list[int]:
    """Return the running processes with this in their environment, the oldest first."""
    found: list[tuple[float, int]] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(name) == value:
                found.append((process.create_time(), process.pid))
    return [pid for _, pid in sorted(found)]


def leader(name: str, value: str, log: Path) -> int | None:
    """Return the process that `spawn` started with this in its environment; None when there is none.

    Had the service been killed between the fork and the exec, the environment would not be there yet: it is waited
    for while something holds the log's lock, which takes the time of an exec.
    """
    deadline = time.monotonic() + _EXEC_S
    while True:
        held = _locked(log)
        found = next((pid for pid in marked(name, value) if _group(pid) == pid), None)
        if found or not held or time.monotonic() > deadline:
            return found
        time.sleep(0.005)


def _locked(path: Path) -> bool:
    try:
        with path.open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process; SIGKILL to its whole group."""
    with contextlib.suppress(ProcessLookupError):
        if number is signal.SIGKILL:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def collect(pid: int) -> str | None:
    """Collect an ended child with what it left running in its group, and return how it ended.

    None when it is not this process's child: nothing is known, and nothing was done.
    """
    try:
        status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    if status is None:
        return "ended"
    send(pid, signal.SIGKILL)  # not collected yet, so the group's number is still its own
    os.waitpid(pid, os.WNOHANG)
    if status.si_code == os.CLD_EXITED:
        return f"exit code {status.si_status}"
    return f"ended by {signal.Signals(status.si_status).name}"


def on_end(pid: int, ended: Callable[[], None]) -> Callable[[], None]:
    """Call `ended` once in the running loop when a process has ended, a child or not; return what cancels that.

    Raises:
        ProcessLookupError: It has ended, and was collected.
    """
    loop = asyncio.get_running_loop()
    descriptor = os.pidfd_open(pid)
    open_ = True

    def cancel() -> None:
        nonlocal open_
        if open_:
            open_ = False
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def readable() -> None:
        cancel()
        ended()

    loop.add_reader(descriptor, readable)
    return cancel


def bound_log(log: Path) -> None:
    """Move a long log aside. The process goes on appending to the emptied file."""
    if log.is_file() and log.stat().st_size > MAX_LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)

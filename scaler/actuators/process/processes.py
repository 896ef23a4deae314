"""Processes that outlive the service that started them: starting, knowing again, signalling, ending."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from scaler.ports.errors import EngineUnavailable, ReplicaRejected

# In every replica's environment, inherited by what it starts; holds the replica's id.
MARK = "SCALER_REPLICA"
# Far longer than an exec takes.
_EXEC_S = 2.0
# What replicas inherit of the service's own environment, which may hold secrets of others.
INHERITED = frozenset({"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"})


def spawn(replica_id: str, argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
    """Start a process in a session of its own and return its pid.

    Raises:
        ReplicaRejected: There is no such program, or it may not be run.
        EngineUnavailable: The machine has no room for another process now.
    """
    inherited = {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith("LC_")}
    with (folder / "output.log").open("ab") as log:
        # The child holds this lock from the fork on, before anything else shows whose it is; see `leader`.
        fcntl.flock(log, fcntl.LOCK_EX)
        try:
            process = subprocess.Popen(  # noqa: S603 - the manifest's command is what we are to run; no shell
                list(argv),
                cwd=folder / "work",
                env={**inherited, **environment, MARK: replica_id},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except BlockingIOError as error:
            raise EngineUnavailable(f"{argv[0]}: {error.strerror}") from error
        except (OSError, ValueError) as error:
            raise ReplicaRejected(f"{argv[0]}: {getattr(error, 'strerror', None) or error}") from error
    # It is to outlive this object, which would otherwise warn of that; its end is seen by `exit_of`.
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


def marked(replica_id: str) -> list[int]:
    """Return the running processes that carry a replica's mark, the oldest first."""
    found: list[tuple[float, int]] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == replica_id:
                found.append((process.create_time(), process.pid))
    return [pid for _, pid in sorted(found)]


def leader(replica_id: str, folder: Path) -> int | None:
    """Return the replica's own process, found by its mark.

    Had the service been killed between the fork and the exec, the mark would not be there yet: it is waited for
    while something holds the log's lock, which takes the time of an exec.
    """
    deadline = time.monotonic() + _EXEC_S
    while True:
        held = _locked(folder / "output.log")
        found = next((pid for pid in marked(replica_id) if _group(pid) == pid), None)
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


def clear_away(pid: int, replica_id: str) -> str:
    """End what an ended process left running, and return how it ended, as far as that can be known."""
    try:
        status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        # An earlier run of this service was its parent. Its pid may be anyone's by now; the mark is not.
        for orphan in marked(replica_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        return "ended; its exit code is not known, as an earlier run of this service started it"
    if status is None:
        return "ended"
    send(pid, signal.SIGKILL)  # not collected yet, so the group's number is still its own
    os.waitpid(pid, os.WNOHANG)
    if status.si_code == os.CLD_EXITED:
        return f"exit code {status.si_status}"
    return f"ended by {signal.Signals(status.si_status).name}"

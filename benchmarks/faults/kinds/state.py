"""The state dir: full, read-only, damaged, of a newer version."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import time
from contextlib import suppress

from benchmarks.faults import disk
from benchmarks.faults.fault import Fault
from benchmarks.faults.world import World
from scaler.testing.service_process import ServiceNotStarted

_NEWER = 1000


def _full(world: World) -> str:
    """Full to the last byte, while counts change."""
    filler = world.service.state_dir / "filler"
    _fill(world)
    try:
        world.change_levels(most=3)
        full_s = world.chance.uniform(1, 8)
        time.sleep(full_s)
    finally:
        filler.unlink(missing_ok=True)
    return f"for {full_s:.1f} s"


def _full_and_killed(world: World) -> str:
    """Full, and the service starts on it; it says so, or runs."""
    world.kill_service()
    _fill(world)
    try:
        started = _starts(world)
    finally:
        (world.service.state_dir / "filler").unlink(missing_ok=True)
    if not started:
        world.start_service()
    return "it ran" if started else "it said so"


def _fill(world: World) -> None:
    block = bytes(1 << 16)
    with suppress(OSError), (world.service.state_dir / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(block)


def _read_only(world: World) -> str:
    """Read-only when the service starts: it says so and touches nothing."""
    world.kill_service()
    before = {it.name for it in world.yard.found()}
    # Others write there: it becomes so for who comes later only.
    folder = world.service.state_dir
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        started = _starts(world)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
    after = {it.name for it in world.yard.found()}
    if started:
        world.kill_service()
    world.start_service()
    if not before <= after:
        raise AssertionError(f"{sorted(before - after)} are gone")
    return "it ran" if started else "it said so"


def _cannot_be_changed(world: World) -> str:
    """Nothing can be made in it while the service runs: no replica's record, no note."""
    folders = [folder for folder in (world.service.state_dir, world.service.state_dir / "replicas") if folder.exists()]
    subprocess.run(["chattr", "+i", *folders], check=True)
    try:
        world.change_levels(most=3)
        time.sleep(world.chance.uniform(1, 8))
    finally:
        subprocess.run(["chattr", "-i", *folders], check=True)
    return ""


def _can_be_immutable(world: World) -> bool:
    if not disk.possible():
        return False
    probe = world.service.state_dir / "probe"
    probe.mkdir(exist_ok=True)
    done = subprocess.run(["chattr", "+i", probe], check=False, capture_output=True)
    if not done.returncode:
        subprocess.run(["chattr", "-i", probe], check=True)
    probe.rmdir()
    return not done.returncode


def _truncated(world: World) -> str:
    """Cut off anywhere while the service is away: it begins anew, and not blindly."""
    world.kill_service()
    database = world.service.state_dir / "state.db"
    left = world.chance.randrange(database.stat().st_size)
    os.truncate(database, left)
    if world.chance.random() < 0.5:
        for suffix in ("-wal", "-shm"):
            database.with_name(f"state.db{suffix}").unlink(missing_ok=True)
    world.start_service()
    return f"to {left} bytes"


def _scribbled(world: World) -> str:
    """With other bytes in the midst of it."""
    world.kill_service()
    database = world.service.state_dir / "state.db"
    with database.open("r+b") as file:
        file.seek(world.chance.randrange(max(1, database.stat().st_size - 512)))
        file.write(world.chance.randbytes(512))
    world.start_service()
    return ""


def _newer(world: World) -> str:
    """Written by a version to come."""
    world.kill_service()
    connection = sqlite3.connect(world.service.state_dir / "state.db")
    connection.execute(f"PRAGMA user_version={_NEWER}")
    connection.commit()
    connection.close()
    world.start_service()
    return ""


def _starts(world: World) -> bool:
    """Try to start it, and see that it says in time why it cannot."""
    said = len(world.service.log)
    try:
        world.start_service()
    except ServiceNotStarted as error:
        text = world.service.log[said:]
        if "Traceback" in text:
            raise AssertionError(f"it ended with a traceback: {text[-1500:]}") from error
        known = [os.strerror(number) for number in (errno.ENOSPC, errno.EROFS)]
        if not any(words in text for words in (*known, "disk is full", "readonly", "full")):
            raise AssertionError(f"it does not say why: {text[-800:]}") from error
        return False
    return True


def _mounts(_: World) -> bool:
    return disk.possible()


FAULTS = (
    Fault("disk full", _full, works=_mounts, weight=2, quick=True),
    Fault("service starts on a full disk", _full_and_killed, works=_mounts),
    Fault("service starts on a read-only state dir", _read_only, works=_mounts),
    Fault("state dir immutable", _cannot_be_changed, works=_can_be_immutable),
    Fault("state truncated", _truncated, weight=2, quick=True, states_lost=True),
    Fault("state scribbled over", _scribbled, states_lost=True),
    Fault("state of a newer version", _newer, states_lost=True),
)

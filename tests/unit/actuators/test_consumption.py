"""What a replica's processes use: those that it started count, those of others do not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from scaler.actuators.process.consumption import Consumption
from scaler.testing.polling import eventually

# The child outlives its parent `sh`, and so belongs to the session only; it never rests.
ORPHANING = "(sh -c 'while :; do :; done' &) ; sleep 600"


@contextmanager
def session(script: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sh", "-c", script], start_new_session=True)
    try:
        yield process
    finally:
        members = psutil.Process(process.pid).children(recursive=True)
        subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
        process.kill()
        process.wait()
        psutil.wait_procs(members, timeout=5)


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    consumption = Consumption()
    consumption.refresh()
    counted = consumption.of_tree(process.pid)
    assert counted is not None
    return counted[0]


def test_the_whole_tree_and_its_orphans_count_and_nothing_else() -> None:
    with session(ORPHANING) as busy, session("sleep 600") as idle:
        eventually(lambda: cpu_s(busy) > 0.3, what="the orphan's use of the cpu")
        assert cpu_s(idle) < 0.3


def test_what_an_ended_child_used_stays() -> None:
    with session("sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; exec sleep 600") as process:
        # As its child ends it may be counted with neither of them.
        eventually(lambda: psutil.Process(process.pid).name() == "sleep", what="the child's end")
        assert cpu_s(process) > 0.05


def test_memory_adds_up_and_what_is_gone_has_none() -> None:
    with session("sleep 600 & sleep 600 & wait") as process:
        eventually(lambda: len(psutil.Process(process.pid).children()) == 2, what="two children")
        consumption = Consumption()
        consumption.refresh()
        counted = consumption.of_tree(process.pid)
        assert counted is not None
        assert counted[1] >= psutil.Process(process.pid).memory_info().rss
        pid = process.pid
    consumption = Consumption()
    consumption.refresh()
    assert consumption.of_tree(pid) is None

"""Logs: JSON lines without a terminal, and no local variables in tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import structlog
from scaler.observability import logs
logs.configure(level="{level}", json_lines={json_lines})
log = structlog.get_logger("x")
log.debug("fine_grained")
log.info("replicas_changed", workload="worker", desired=3)
def fail():
    password = "".join(reversed("2retnuh"))
    raise ValueError("oops")
try:
    fail()
except ValueError:
    log.exception("plugin_bug")
"""


def run(level: str, json_lines: bool | None) -> str:  # noqa: FBT001
    script = SCRIPT.format(level=level, json_lines=json_lines)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr


def test_without_a_terminal_each_line_is_a_json_object() -> None:
    entries = [json.loads(line) for line in run("info", None).splitlines()]
    assert [entry["event"] for entry in entries] == ["replicas_changed", "plugin_bug"]
    assert entries[0]["workload"] == "worker"
    assert "oops" in json.dumps(entries[1]["exception"])


def test_local_variables_never_reach_the_log() -> None:
    for json_lines in (True, False):
        log = run("info", json_lines)
        assert "oops" in log
        assert "hunter2" not in log


def test_the_level_is_respected() -> None:
    assert "fine_grained" in run("debug", json_lines=True)
    assert "replicas_changed" not in run("warning", json_lines=True)


def test_a_full_disk_loses_lines_and_stops_nothing() -> None:
    script = SCRIPT.format(level="info", json_lines=True) + "print('went on')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
    assert done.stdout == "went on\n"

"""Logs: JSON lines without a terminal, and no local variables in tracebacks."""

from __future__ import annotations

import json
import re
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


HOSTILE = """
import logging, structlog
from scaler.observability import logs
logs.configure(level="info", json_lines={json_lines})
log = structlog.get_logger("x")
evil = "a\\nb\\r\\x1b[2J\\u2028\\u202e\\x00\\x85\\"}} {{event=replicas_changed"
structlog.contextvars.bind_contextvars(workload=evil)
log.warning("trigger_unavailable", error=evil, headers=[evil], pair={{evil: evil}})
try:
    raise ValueError(evil)
except ValueError:
    log.exception("plugin_bug")
    logging.getLogger("library").exception("it said %s", evil)
logging.getLogger("library").warning("it said %s", evil)
log.warning("the_end")
"""


def hostile(*, json_lines: bool) -> str:
    script = HOSTILE.format(json_lines=json_lines)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return run.stderr


def test_text_from_outside_cannot_write_lines_of_its_own_nor_steer_the_terminal() -> None:
    # Without the colours that the log itself has on a terminal.
    log = re.sub(r"\x1b\[[0-9]+m", "", hostile(json_lines=False))
    lines = log.split("\n")
    assert "the_end" in lines[-2]
    starts = [line for line in lines if line.startswith(("b", '"} {event'))]
    assert starts == []
    assert [char for char in log if not char.isprintable() and char != "\n"] == []
    assert sum("trigger_unavailable" in line for line in lines) == 1


def test_text_from_outside_cannot_break_out_of_a_json_line() -> None:
    ours = [line for line in hostile(json_lines=True).split("\n") if line.startswith("{")]
    events = [json.loads(line) for line in ours]
    assert [event["event"] for event in events] == ["trigger_unavailable", "plugin_bug", "the_end"]
    assert events[0]["error"].startswith("a\nb\r\x1b[2J")
    assert all(char.isprintable() for line in ours for char in line)

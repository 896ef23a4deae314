"""The systemd unit, as systemd's own tools see it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from scaler.testing.http_service import HttpService, quick_app

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "deploy" / "systemd" / "scaler.service"
# In tenths, as `--threshold` has it; the page on installing says it too.
WORST_SCORE = 20


def analyze(*arguments: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", *arguments],
        env={**os.environ, "SYSTEMD_PAGER": "cat"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with the program where it is here."""
    program = Path(sys.executable).with_name("scaler")
    text = UNIT.read_text()
    assert "ExecStart=/opt/scaler/bin/scaler run" in text
    changed = tmp_path / UNIT.name
    changed.write_text(text.replace("/opt/scaler/bin/scaler", str(program)))
    return changed


def test_systemd_takes_all_of_it(unit: Path) -> None:
    # It warns of what it ignores, and says nothing of what it knows.
    assert UNIT.name not in analyze("verify", str(unit))


def test_it_is_as_hardened_as_the_page_says(unit: Path) -> None:
    report = analyze("security", "--offline=true", "--no-pager", f"--threshold={WORST_SCORE}", str(unit))
    (score,) = re.findall(r"exposure level for scaler.service: ([\d.]+)", report)
    assert f"exposure level of {score} " in (ROOT / "docs" / "installing.md").read_text()


def test_it_asks_for_nothing_that_the_command_does_not_have() -> None:
    (options,) = re.findall(r'^Environment="SCALER_OPTIONS=(.*)"$', UNIT.read_text(), re.MULTILINE)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("scaler")),
            "run",
            *options.split(),
            "/nowhere",
            "--state-dir",
            "/dev/null",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "the state dir /dev/null cannot be used" in done.stderr


def test_the_service_tells_systemd_that_it_is_ready(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(60)
        service = HttpService(tmp_path, [quick_app("web")], env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        with service.running() as api:
            assert told.recv(100) == b"READY=1"
            with urllib.request.urlopen(f"http://{api.address}/readyz", timeout=30) as answer:
                assert answer.status == 200
    assert not service.events("systemd_not_told")

"""The demo as a user runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from scaler.testing.servers.docker import DockerServer

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]


def leftovers(folder: Path) -> list[str]:
    commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return [command for command in commands if str(folder) in command]


def run_demo(folder: Path, *options: str, **environment: str) -> str:
    """Run it with its files in a folder of its own: another test may run it at the same time."""
    demo = subprocess.run(
        [sys.executable, "-m", "scaler", "demo", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "TMPDIR": str(folder), **environment},
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    return demo.stdout


def assert_told(output: str) -> None:
    summary = output[output.index("messages sent") :]
    assert re.match(r"messages sent: 400, processed: 400\npeak replicas: 10, now: 0\n", summary)
    first = re.search(r"from message to first start: ([\d.]+) s", summary)
    assert first, summary
    assert float(first[1]) < 30


def test_demo_with_processes_leaves_nothing(tmp_path: Path) -> None:
    assert_told(run_demo(tmp_path))
    assert leftovers(tmp_path) == []


def test_demo_with_containers_leaves_nothing(tmp_path: Path) -> None:
    with DockerServer(private=True) as engine:
        assert_told(run_demo(tmp_path, "--docker", DOCKER_HOST=engine.base_url))
        with engine.client() as client:
            assert client.containers(all=True) == []


def test_demo_with_requests_leaves_nothing(tmp_path: Path) -> None:
    output = run_demo(tmp_path, "--http")
    summary = output[output.index("first request") :]
    first = re.match(
        r"first request, to an app at zero: answered after (\d+) ms, of which it was held (\d+) ms\n", summary
    )
    assert first, summary
    assert int(first[2]) <= int(first[1]) < 30_000
    load = re.search(r"requests under load: (\d+), failed: 0\npeak replicas: (\d+), now: 0;", summary)
    assert load, summary
    assert int(load[1]) > 50
    assert int(load[2]) >= 3
    assert leftovers(tmp_path) == []


def test_demo_is_of_one_kind() -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "scaler", "demo", "--http", "--docker"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert demo.returncode == 2
    assert "exclude each other" in demo.stderr


def test_demo_with_containers_needs_an_engine() -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "scaler", "demo", "--docker"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere.sock"},
    )
    assert demo.returncode == 1
    assert "needs a Docker engine" in demo.stderr

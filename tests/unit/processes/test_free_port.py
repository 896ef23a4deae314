"""Ports for servers of tests: tests that run in parallel do not take each other's."""

from __future__ import annotations

import subprocess
import sys

from scaler.testing.servers.process import free_port

OTHER = "from scaler.testing.servers.process import free_port; print(*(free_port() for _ in range(500)))"


def test_a_port_that_nobody_listens_on_yet_is_given_to_one_process_once() -> None:
    given = [free_port() for _ in range(1000)]
    assert len(set(given)) == len(given)
    other = subprocess.run([sys.executable, "-c", OTHER], capture_output=True, text=True, check=True)
    assert set(map(int, other.stdout.split())).isdisjoint(given)

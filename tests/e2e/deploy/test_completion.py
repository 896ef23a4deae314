"""A real bash completes by the file in deploy/completions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "completions"
MANIFEST = """\
type: Microsoft.App/containerApps
name: {name}
properties:
  template:
    containers: [{{name: main, image: none, command: [sleep, "1000"]}}]
    scale:
      minReplicas: 0
      rules:
        - name: hours
          custom: {{type: cron, metadata: {{timezone: UTC, start: 0 0 1 1 *, end: 1 0 1 1 *, desiredReplicas: "1"}}}}
"""


def offered(line: str, **environment: str) -> set[str]:
    """Return what a real bash offers at the end of a line, by the function that it was told of."""
    words = line.split(" ")
    script = """\
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
function=$(complete -p scaler); function=${function#*-F }; function=${function%% *}
"$function" scaler
printf '%s\\n' "${COMPREPLY[@]}"
"""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    printed = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", str(FOLDER / "scaler.bash"), *words],
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(printed.stdout.split())


def test_bash_completes_commands_types_and_the_workloads_of_a_running_service(tmp_path: Path) -> None:
    assert offered("scaler v") == {"validate"}
    assert offered("scaler plugins redis-c") == {"redis-cluster", "redis-cluster-streams"}
    manifest = "---\n".join(MANIFEST.format(name=name) for name in ("mails", "maps", "orders"))
    service = ServiceProcess(tmp_path, manifest, actuator="process")
    state_dir = str(service.state_dir)
    assert offered("scaler explain ma", SCALER_STATE_DIR=state_dir) == set()
    with service.running():
        assert offered("scaler explain ma", SCALER_STATE_DIR=state_dir) == {"mails", "maps"}
        assert offered(f"scaler explain --state-dir {state_dir} ") == {"mails", "maps", "orders"}

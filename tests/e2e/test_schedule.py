"""A window of time on the real clock: its replicas come at the minute, are explained, and go at the minute."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scaler.testing.polling import eventually
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

ZONE = ZoneInfo("Asia/Kathmandu")  # three quarters of an hour away from most others

# Polled so rarely that it is the schedule that wakes it; so the API shows replicas late.
MANIFEST = """\
type: Microsoft.App/containerApps
name: worker
properties:
  template:
    containers:
      - name: main
        image: none
        command: [/bin/sh, -c, 'touch "$STARTED/$$"; exec sleep 1000']
        env: [{{name: STARTED, value: {started}}}]
    scale:
      minReplicas: 0
      pollingInterval: 3600
      cooldownPeriod: 0
      rules:
        - name: window
          custom:
            type: cron
            metadata: {{start: '{start}', end: '{end}', timezone: Asia/Kathmandu, desiredReplicas: '3'}}
"""


def fields(moment: datetime) -> str:
    return f"{moment:%-M %-H} * * *"


def replicas_running(started: Path) -> int:
    return sum(Path("/proc", file.name).exists() for file in started.iterdir())


def test_replicas_come_and_go_at_the_minute(tmp_path: Path) -> None:
    # At least half a minute, enough for the service to start before on a busy machine, too.
    opens = (datetime.now(ZONE) + timedelta(seconds=90)).replace(second=0, microsecond=0)
    closes = opens + timedelta(minutes=1)
    started = tmp_path / "started"
    started.mkdir()
    manifest = MANIFEST.format(start=fields(opens), end=fields(closes), started=started)
    service = ServiceProcess(tmp_path, manifest, actuator="process", env={"COLUMNS": "200"})
    with service.running() as api:
        assert time.time() < opens.timestamp(), "too slow a start for what follows"
        closed = service.command("explain", "worker").stdout
        assert f"value 0 until {opens:%Y-%m-%d %H:%M} (Asia/Kathmandu), target 1 (AverageValue), not active" in closed
        assert re.search(rf"next change: at .*{opens.astimezone(ZoneInfo('UTC')):%H:%M}:00 UTC", closed)
        assert "or earlier" not in closed
        eventually(lambda: len(list(started.iterdir())) == 3, within_s=150, what="the window's replicas")
        opened_at = api.workload("worker").last_change_at
        assert opened_at is not None
        assert opened_at >= opens.timestamp() - 0.001
        status = service.command("status")
        assert "window=3/1 until" in status.stdout
        eventually(lambda: replicas_running(started) == 0, within_s=90, what="none after the window")
        closed_at = api.workload("worker").last_change_at
        assert closed_at is not None
        assert closed_at >= closes.timestamp() - 0.001
        print(  # noqa: T201 - what the run is to show
            f"opened {opened_at - opens.timestamp():.4f} s and closed {closed_at - closes.timestamp():.4f} s late"
        )

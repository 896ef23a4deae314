"""Many workloads on one server: one connection, one line when it is lost, and new secrets without a restart."""

from __future__ import annotations

import http.client
import re
from pathlib import Path

import pytest

from scaler.testing.polling import eventually
from scaler.testing.servers.redis import RedisServer
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]

WORKLOADS = 50

APP = """\
---
type: Microsoft.App/containerApps
name: worker-{number}
properties:
  configuration:
    secrets: [{{name: password, value: "${{file:{secret}}}"}}]
  template:
    containers: [{{name: main, image: none, command: [sleep, "600"]}}]
    scale:
      pollingInterval: 0.2
      rules:
        - name: jobs
          custom:
            type: redis
            metadata: {{address: "{address}", listName: "jobs-{number}"}}
            auth: [{{secretRef: password, triggerParameter: password}}]
"""


def open_connections(service: ServiceProcess) -> float:
    note = (service.state_dir / "service.json").read_text()
    connection = http.client.HTTPConnection(note.split('"')[3], timeout=10)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    found = re.search(r'^scaler_connections_open\{kind="redis"\} (\S+)$', text, re.MULTILINE)
    assert found, [line for line in text.splitlines() if "connections" in line]
    return float(found[1])


def test_an_outage_is_one_line_for_all_and_a_new_secret_needs_no_restart(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("first")
    with RedisServer.running(users=["default on >first ~* &* +@all"]) as server:
        apps = [APP.format(number=number, secret=secret, address=server.address) for number in range(WORKLOADS)]
        service = ServiceProcess(tmp_path, "".join(apps), actuator="process")

        def unknown() -> int:
            return sum(workload.triggers[0].error is not None for workload in service.api.workloads())

        with service.running():
            assert open_connections(service) == 1
            server.stop()
            eventually(lambda: unknown() == WORKLOADS, what="every trigger unknown")
            server.start()
            eventually(lambda: unknown() == 0, what="every trigger known again")
            lines = service.events("source_lost", "source_returned", "trigger_unavailable", "trigger_recovered")
            assert [line["event"] for line in lines] == ["source_lost", "source_returned"]
            with server.client(password="first") as admin:  # noqa: S106 - of this test
                admin.execute_command("ACL", "SETUSER", "default", "resetpass", ">second")
                admin.client_kill_filter(_type="normal", skipme=True)
            eventually(lambda: unknown() == WORKLOADS, what="the old password refused")
            secret.write_text("second")
            eventually(lambda: unknown() == 0, what="the new password taken up")
            assert open_connections(service) == 1

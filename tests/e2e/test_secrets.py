"""A secret reaches the server and the replica that need it, and no output."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from scaler.testing.polling import eventually
from scaler.testing.servers.redis import RedisServer
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]

SECRET = "hunter2-must-not-be-seen"  # noqa: S105 - looked for everywhere

MANIFEST = """\
type: Microsoft.App/containerApps
name: worker
properties:
  configuration:
    secrets:
      - {{name: password, value: "${{env:THE_PASSWORD}}"}}
      - {{name: written, value: {secret}}}
  template:
    containers:
      - name: main
        image: none
        command: [/bin/sh, -c, 'printf "%s %s" "$FROM_ENV" "$WRITTEN" > "$SEEN"; exec sleep 600']
        env:
          - {{name: FROM_ENV, secretRef: password}}
          - {{name: WRITTEN, secretRef: written}}
          - {{name: SEEN, value: {seen}}}
    scale:
      pollingInterval: 0.2
      rules:
        - name: jobs
          custom:
            type: redis
            metadata: {{address: "{address}", listName: jobs}}
            auth: [{{secretRef: password, triggerParameter: password}}]
"""


def test_secrets_are_used_and_never_shown(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    with RedisServer.running(users=[f"default on >{SECRET} ~* &* +@all"]) as server:
        with server.client(password=SECRET) as queue:
            queue.rpush("jobs", 1)
        manifest = MANIFEST.format(secret=SECRET, seen=seen, address=server.address)
        service = ServiceProcess(tmp_path, manifest, actuator="process", env={"THE_PASSWORD": SECRET})
        with service.running("--log-level", "debug", "--record", str(tmp_path / "trace.jsonl")) as api:
            eventually(lambda: seen.exists() and seen.read_text() == f"{SECRET} {SECRET}", what="the replica's secrets")
            server.stop()
            eventually(lambda: api.workload("worker").triggers[0].error, what="an outage in the API")
            # Wrong credentials, and a broken manifest that holds the secret where none belongs.
            service.manifest.write_text(manifest.replace("name: jobs", f"name: jobs\n          oops: {SECRET}"))
            service.reload()
            eventually(lambda: service.events("configuration_kept"), what="the rejected edit")
            paths = ("/v1/workloads", "/v1/workloads/worker/decisions", "/metrics", "/openapi.json")
            outputs = [get(service, path) for path in paths]
            outputs += [service.command("status").stdout, service.command("explain", "worker").stdout]
        kept = [path for path in service.state_dir.rglob("*") if path.is_file()]
        outputs += [path.read_text(errors="replace") for path in (*kept, tmp_path / "trace.jsonl")]
    assert all(SECRET not in output for output in outputs)
    log = [line for line in service.log.splitlines() if SECRET in line]
    assert log == []


def get(service: ServiceProcess, path: str) -> str:
    note = service.state_dir / "service.json"
    address = note.read_text().split('"')[3]
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()

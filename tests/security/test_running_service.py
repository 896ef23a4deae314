"""What a running service shows to the machine that it runs on: its ports, its files, and the processes it starts."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator

import psutil
import pytest

from scaler.testing import http_app
from scaler.testing.http_service import QUICK, HttpService, rule
from scaler.testing.servers.process import free_port

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

OF_THE_SERVICE = "hunter2-of-the-service"
OF_THE_TRIGGER = "hunter2-of-the-trigger"
OF_THE_APP = "hunter2-of-the-app"


def worker(address: str) -> str:
    """Return the manifest of a worker that has a secret, and whose trigger has another."""
    auth = [{"secretRef": "password", "triggerParameter": "password"}]
    custom = {"type": "redis", "metadata": {"address": address, "listName": "jobs"}, "auth": auth}
    token = {"name": "TOKEN", "secretRef": "token"}
    template = {
        "containers": [{"name": "main", "image": "none", "command": ["sleep", "1000"], "env": [token]}],
        "scale": {**QUICK, "minReplicas": 1, "rules": [{"name": "jobs", "custom": custom}]},
    }
    values = {"password": "${env:TRIGGER_PASSWORD}", "token": "${env:APP_TOKEN}"}
    configuration = {"secrets": [{"name": name, "value": value} for name, value in values.items()]}
    properties = {"configuration": configuration, "template": template}
    return json.dumps({"type": "Microsoft.App/containerApps", "name": "worker", "properties": properties})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpService]:
    folder = tmp_path_factory.mktemp("running")
    scale = {**QUICK, "minReplicas": 1, "rules": [rule(concurrentRequests="2")]}
    shop = http_app.manifest("shop", grace_s=1, scale=scale)
    variables = {"UNUSED": OF_THE_SERVICE, "TRIGGER_PASSWORD": OF_THE_TRIGGER, "APP_TOKEN": OF_THE_APP}
    # As an operator may have made it: what is in it must not rely on it.
    (folder / "state").mkdir(mode=0o755)
    service = HttpService(folder, [shop, worker(f"127.0.0.1:{free_port()}")], env=variables)
    with service.running():
        service.wait_for_ready("shop", 1)
        service.wait_for_ready("worker", 1)
        yield service


def envoy(service: HttpService) -> psutil.Process:
    found = service.envoy()
    assert found is not None
    return found


def test_it_listens_on_loopback_only(service: HttpService) -> None:
    listening = [
        connection.laddr
        for process in (psutil.Process(service.pid), envoy(service))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN or (connection.type == socket.SOCK_DGRAM and not connection.raddr)
    ]
    assert {address.ip for address in listening} <= {"127.0.0.1", "::1"}
    ports = {address.port for address in listening}
    assert {int(service.api.address.rpartition(":")[2]), service.ingress_port} <= ports


def test_only_its_owner_can_reach_its_files(service: HttpService) -> None:
    modes = {path: path.lstat().st_mode for path in service.state_dir.rglob("*")}
    assert {path.name for path, mode in modes.items() if mode & 0o022} == set()
    sockets = {path.name: oct(mode & 0o777) for path, mode in modes.items() if stat.S_ISSOCK(mode)}
    assert sockets == {"hold.sock": "0o600", "control.sock": "0o600", "admin.sock": "0o600"}
    closed = {path for path, mode in modes.items() if stat.S_ISDIR(mode) and not mode & 0o077}
    open_ = {path.name for path, mode in modes.items() if mode & 0o077 and not closed.intersection(path.parents)}
    # No logs of replicas, none of Envoy's files: `test_secrets_are_used_and_never_shown` looks into these.
    assert open_ <= {"actuator.json", "owner", "service.json", "state.db", "state.db-shm", "state.db-wal"}
    assert {"envoy", "replicas"} <= {path.name for path in closed}


def test_processes_get_no_secret_that_is_not_theirs(service: HttpService) -> None:
    replicas = {app: service.processes(app) for app in ("shop", "worker")}
    everyone = [psutil.Process(service.pid), envoy(service), *replicas["shop"], *replicas["worker"]]
    arguments = [argument for process in everyone for argument in process.cmdline()]
    assert [argument for argument in arguments if "hunter2" in argument] == []
    secrets = {
        name: {value for process in processes for value in process.environ().values() if "hunter2" in value}
        for name, processes in {**replicas, "envoy": [envoy(service)]}.items()
    }
    assert secrets == {"shop": set(), "worker": {OF_THE_APP}, "envoy": set()}

"""The compose file and its override: what compose makes of them, and that nothing in them is reached from elsewhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from scaler.manifests import load_manifests
from scaler.testing.servers.compose import COMMAND

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]

DEPLOY = Path(__file__).parents[3] / "deploy"
PROXY = "compose.socket-proxy.yaml"
SOCKET = "/var/run/docker.sock"


def config(*files: str) -> dict[str, Any]:
    """Return a project as compose understands it."""
    named = [part for file in files for part in ("--file", str(DEPLOY / file))]
    done = subprocess.run(
        [*COMMAND.split(), *named, "config"],
        env={**os.environ, "DOCKER_GID": "4321"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = YAML(typ="safe").load(done.stdout)
    return found


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Return what a service mounts, by where it does; compose 2 writes it longer than compose 1."""
    parts = [
        (each["source"], each["target"]) if isinstance(each, dict) else each.split(":")[:2]
        for each in service.get("volumes", [])
    ]
    return {target: source for source, target in parts}


def test_everything_is_reached_from_this_machine_only() -> None:
    services = config("compose.yaml")["services"]
    assert services.keys() == {"scaler", "redis", "prometheus", "grafana"}
    for name, service in services.items():
        for port in service.get("ports", []):
            host = port["host_ip"] if isinstance(port, dict) else port.rpartition(":")[0]
            assert host.startswith("127.0.0.1"), name
    # The others are on the host's network, and listen where they are told.
    assert {name for name, each in services.items() if each.get("network_mode") == "host"} == set(services) - {"redis"}
    assert "--web.listen-address=127.0.0.1:9090" in services["prometheus"]["command"]
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert not {"--listen", "--ingress"} & set(services["scaler"]["command"])


def test_the_socket_is_reached_by_its_group() -> None:
    service = config("compose.yaml")["services"]["scaler"]
    assert service["group_add"] == ["4321"]
    assert "user" not in service
    assert mounts(service)[service["environment"]["DOCKER_HOST"].removeprefix("unix://")] == SOCKET


def test_with_the_proxy_the_service_has_no_socket_of_the_engine() -> None:
    services = config("compose.yaml", PROXY)["services"]
    proxy, service = services["docker-socket-proxy"], services["scaler"]
    folder, _, name = service["environment"]["DOCKER_HOST"].removeprefix("unix://").rpartition("/")
    assert SOCKET not in mounts(service).values()
    assert mounts(service)[folder] == mounts(proxy)["/run/scaler"]
    assert SOCKET in mounts(proxy).values()
    assert "ports" not in proxy
    assert name == "docker.sock"


def test_an_envoy_of_its_own_has_the_sockets_that_the_service_makes() -> None:
    services = config("compose.yaml", "compose.envoy.yaml")["services"]
    envoy, service = services["envoy"], services["scaler"]
    assert service["command"] == [*config("compose.yaml")["services"]["scaler"]["command"], "--external-envoy"]
    assert mounts(envoy) == {"/var/lib/scaler": mounts(service)["/var/lib/scaler"]}
    assert "user" not in envoy


def test_what_it_mounts_of_the_checkout_is_what_the_folder_has() -> None:
    services = config("compose.yaml")["services"].values()
    sources = {Path(source) for service in services for source in mounts(service).values()}
    ours = {path.relative_to(DEPLOY).as_posix() for path in sources if path.is_relative_to(DEPLOY)}
    assert ours == {"examples/stack", "prometheus", "grafana/dashboards", "grafana/provisioning"}
    assert {path.name for path in (DEPLOY / "grafana" / "provisioning").iterdir()} == {"dashboards", "datasources"}
    (provider,) = (DEPLOY / "grafana" / "provisioning" / "dashboards").iterdir()
    (provided,) = YAML(typ="safe").load(provider.read_text())["providers"]
    (grafana,) = (service for service in services if "grafana" in service["image"])
    assert mounts(grafana)[provided["options"]["path"]] == str(DEPLOY / "grafana" / "dashboards")


def test_its_manifests_are_an_app_with_ingress_and_a_worker() -> None:
    loaded = load_manifests([DEPLOY / "examples" / "stack"], strict=True)
    assert {workload.name for workload in loaded.workloads} == {"web", "worker"}

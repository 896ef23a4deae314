"""An engine on another machine, reached over ssh: here a real sshd on loopback with keys of its own."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from scaler.actuators.docker.client import EngineClient
from scaler.ports.errors import EngineUnavailable
from scaler.testing.polling import eventually
from scaler.testing.servers.docker_tls import TlsDockerServer
from scaler.testing.servers.registry import RegistryServer
from scaler.testing.servers.sshd import SshServer
from scaler.testing.service_process import ServiceProcess

pytestmark = [pytest.mark.services, pytest.mark.timeout(180)]

APP = """\
name: worker
properties:
  template:
    terminationGracePeriodSeconds: 2
    containers: [{{image: "{image}"}}]
    scale: {{minReplicas: {count}, maxReplicas: 30}}
"""


@pytest.fixture
def sshd() -> Iterator[SshServer]:
    with SshServer.running() as server:
        yield server


def socket_of(engine: TlsDockerServer) -> str:
    return engine.base_url.removeprefix("unix://")


def children(service: ServiceProcess) -> list[psutil.Process]:
    return [each for each in psutil.Process(service.pid).children() if each.name() == "ssh"]


def test_the_service_works_over_one_login(engine: TlsDockerServer, sshd: SshServer, tmp_path: Path) -> None:
    """A pull, 12 replicas at once, events, status, a second run that adopts, `down`; no ssh is left."""
    env = {"DOCKER_HOST": sshd.url(socket_of(engine)), **sshd.client(tmp_path)}
    with RegistryServer.running() as registry, engine.client() as api:
        name = f"{registry.address}/team/far"
        api.tag(engine.image, name, "v1")
        api.push(name, tag="v1")
        api.remove_image(f"{name}:v1")
        manifest = APP.format(image=f"{name}:v1", count=12)
        service = ServiceProcess(tmp_path, manifest, actuator="docker", env=env)
        with service.running():
            eventually(lambda: service.api.workload("worker").ready_replicas == 12, within_s=60, what="12 replicas")
            assert sshd.logins() == len(children(service)) == 1
            api.remove_container(engine.replicas()[0], force=True)
            eventually(lambda: len(engine.replicas()) == 12, within_s=60, what="the replacement")
            assert "worker" in service.command("status").stdout
            assert service.stop() == 0
            before = set(engine.replicas())
            service.start()
            eventually(lambda: service.api.workload("worker").ready_replicas == 12, within_s=60, what="their adoption")
            assert set(engine.replicas()) == before
            (tunnel,) = children(service)
            # Killed without a chance to tidy up, it leaves no ssh behind.
            service.kill()
            eventually(lambda: not tunnel.is_running() or tunnel.status() == psutil.STATUS_ZOMBIE, what="its end")
            assert service.command("down").stdout == "12 replicas stopped\n"
    assert engine.replicas() == []
    assert service.events("actuator_bug", "service_task_failed") == []


def test_a_connection_that_breaks_is_made_again(engine: TlsDockerServer, sshd: SshServer, tmp_path: Path) -> None:
    """By the next call, to the same replicas; while the other machine is away, its ssh is what is told."""
    env = {"DOCKER_HOST": sshd.url(socket_of(engine)), **sshd.client(tmp_path)}
    service = ServiceProcess(tmp_path, APP.format(image=engine.image, count=2), actuator="docker", env=env)
    with service.running():
        eventually(lambda: len(engine.replicas()) == 2, within_s=60, what="2 replicas")
        before = engine.replicas()
        (tunnel,) = children(service)
        os.kill(tunnel.pid, signal.SIGKILL)
        with engine.client() as api:
            api.remove_container(before[0], force=True)
        eventually(lambda: len(engine.replicas()) == 2, within_s=60, what="the replacement over a new connection")
        assert before[1] in engine.replicas()

        sshd.stop()
        (tunnel,) = eventually(lambda: children(service), what="the new ssh")
        os.kill(tunnel.pid, signal.SIGKILL)
        service.manifest.write_text(APP.format(image=engine.image, count=3))
        eventually(lambda: "Connection refused" in service.log, within_s=60, what="what ssh says in the log")
        sshd.start()
        eventually(lambda: len(engine.replicas()) == 3, within_s=60, what="3 replicas on its return")


async def test_who_is_not_known_is_not_trusted(
    engine: TlsDockerServer, sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a host without a key in known_hosts, though ssh's configuration says so, nor one with another."""

    async def told(url: str, env: dict[str, str]) -> str:
        monkeypatch.setenv("PATH", env["PATH"])
        client = EngineClient(url, threads=1, timeout_s=30)
        with contextlib.closing(client), pytest.raises(EngineUnavailable) as caught:
            await client.call(lambda api: api.ping())
        return str(caught.value)

    env, url = sshd.client(tmp_path), sshd.url(socket_of(engine))
    known = sshd.known_hosts.read_text()
    sshd.known_hosts.write_text("")
    assert "not reached over ssh: Host key verification failed." in await told(url, env)
    assert sshd.known_hosts.read_text() == ""
    sshd.make_key(tmp_path / "other")
    place, _ = known.split(" ", 1)
    sshd.known_hosts.write_text(f"{place} {(tmp_path / 'other.pub').read_text()}")
    assert "not reached over ssh: Host key verification failed." in await told(url, env)
    assert sshd.logins() == 0
    sshd.known_hosts.write_text(known)
    assert "Permission denied (publickey)" in await told(url, sshd.client(tmp_path, identity=tmp_path / "other"))
    nowhere = sshd.url("/nowhere/docker.sock")
    assert "(over ssh, socket /nowhere/docker.sock on 127.0.0.1" in await told(nowhere, sshd.client(tmp_path))
